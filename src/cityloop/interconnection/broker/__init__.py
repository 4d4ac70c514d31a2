"""The context broker: entities, contexts and subscriptions as folds of a tenant's log."""
