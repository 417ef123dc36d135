"""A FHIR R4 server over resources in memory; how able it is, is a profile (R4 http.html, search.html)."""
