"""A practice management API in the documented shape of Cliniko: Basic with an API key, pages by link."""
