"""The names under which gymnasium.make finds the environments of korr_gym.

Gymnasium calls register() while it is being imported itself, where korr-gym is installed; importing korr_gym does it, too. So
this module imports neither at its top.
"""

TASKS = {
    "OneLeg": "one_leg", "Lamp": "lamp", "RoundTable": "round_table", "SquareTable": "square_table",
    "MugRack": "mug_rack", "PegHole": "peg_hole",
}


def register():
    """Registers korr/OneLeg-v0 and so on, one for each of TASKS; korr/Furniture-v0 takes task=NAME."""
    from gymnasium.envs import registration

    for name, kwargs in [("Furniture", {}), *((name, {"task": task}) for name, task in TASKS.items())]:
        env_id = f"korr/{name}-v0"
        if env_id not in registration.registry:
            registration.register(id=env_id, entry_point="korr_gym:KorrEnv", kwargs=kwargs)
