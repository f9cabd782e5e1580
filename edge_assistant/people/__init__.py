"""Who may use this device: people and their roles, their devices, and how a device is paired."""
