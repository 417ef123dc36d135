"""The compact view of a patient: what a phone shows first, in the sections of the IPS."""
