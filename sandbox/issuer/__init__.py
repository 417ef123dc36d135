"""The sandbox's authorization server: SMART launches, a patient picker, client credentials, a mint."""
