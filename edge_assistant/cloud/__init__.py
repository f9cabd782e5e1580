"""A larger model elsewhere, reached over the operator's broker; imported only when `cloud.enabled` is set."""
