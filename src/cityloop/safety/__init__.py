"""What keeps people safe whatever a loop asks for: envelope, cabinet, guard, leases."""
