// Starts GraphiQL on the endpoint that served this page. The token is typed in the Headers tab and is
// not kept: shouldPersistHeaders stays off.
"use strict";

const welcome = `# 1. Put a token behind "Bearer" below.
# 2. Reload the schema (arrows, left).
# 3. Run this.
{
  patients(first: 5) {
    nodes {
      id
      name { family given }
      birthDate
    }
    completeness
  }
}
`;

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: "/graphql" }),
    defaultQuery: welcome,
    defaultHeaders: '{\n  "Authorization": "Bearer "\n}',
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  }),
);
