"""What a newcomer does not have: synthetic patients, FHIR servers, vendor APIs, an authorization server."""
