trap 'echo outer' EXIT; (trap; echo sub); echo main
