"""A wearable vendor's API in the documented shape of Withings: errors in 200, paging, units, one limit."""
