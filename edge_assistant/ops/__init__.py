"""Health, hardware and diagnosis of this device."""
