"""How each exchange type chooses among its bindings: one type a file, behind `router.Router`."""
