"""What FHIR and the NHS say, as tables and pure functions: no I/O, no state, no clients."""
