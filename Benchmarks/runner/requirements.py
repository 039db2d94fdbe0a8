"""What Starling must reach, as ratios of rates measured in one run, by the number of sessions."""

LEVELS = {
    "base": {("write", "etcd"): {1: 1, 64: 3, 512: 5}, ("write", "bare"): {1: 0.2, 64: 0.2, 512: 0.2}},
    "must": {("write", "etcd"): {1: 1, 64: 5, 512: 8}, ("read", "etcd"): {512: 8},
             ("write", "bare"): {1: 0.7, 64: 0.7, 512: 0.3},
             ("queue", "etcd"): {64: 10}, ("queue", "etcd-spread"): {64: 10}},
    "goal": {("write", "etcd"): {1: 1.5, 64: 7, 512: 15}, ("read", "etcd"): {512: 15},
             ("write", "bare"): {1: 0.9, 64: 1, 512: 0.6}},
}


def threshold(level, operation, sessions, other):
    """The least ratio that will do, or None where nothing is asked."""
    return LEVELS[level].get((operation, other), {}).get(sessions)


def misses(level, ratio_rows, operations=("write", "read")):
    """A sentence for each requirement of these operations that is not met, or that nothing was measured for."""
    measured = {(operation, other, window.sessions): ratio for operation, window, other, ratio in ratio_rows}
    sentences = []
    for (operation, other), by_sessions in LEVELS[level].items():
        if operation not in operations:
            continue
        for sessions, least in by_sessions.items():
            ratio = measured.get((operation, other, sessions))
            what = f"{operation}s at {sessions} sessions: starling / {other}"
            if ratio is None:
                sentences.append(f"{what} was not measured, {least} is required")
            elif ratio < least:
                sentences.append(f"{what} is {ratio:.2f}, {least} is required")
    return sentences
