"""Bones of a landmark set as a graph: lines to draw, and chains that can turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["BoneChain", "chains_of", "joined_bones"]

Bones = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class BoneChain:
    """Joints that follow one another, such as those of a finger.

    Args:
        joints: from the trunk to the tip.
        root: joint that the chain leaves, the wrist for a finger; empty for a chain of its own.
        order: number of the chain among those that leave the root.
        fan: how far it turns when all that leave the root fan out, from -1 to 1.

    """

    joints: tuple[str, ...]
    root: str = ""
    order: int = 0
    fan: float = 0.0


@lru_cache(maxsize=64)
def chains_of(bones: tuple[tuple[str, str], ...]) -> tuple[BoneChain, ...]:
    """Chains of bones, in the order in which the bones name them.

    Joints where three or more bones meet, and those of closed loops, such as a trunk's, rest; so do bones between two
    of them. What is left are chains that hang from such a joint, or are by themselves.

    Args:
        bones: pairs of joints.

    Returns:
        The chains; a single joint at a resting one is a chain, too.

    """
    import networkx as nx  # takes as long to load as half of this package

    graph = nx.Graph(list(bones))
    resting = {joint for joint, degree in graph.degree if degree > 2} | set(nx.k_core(graph, 2))
    free = graph.subgraph(joint for joint in graph if joint not in resting)
    places = {joint: place for place, joint in enumerate(graph)}  # networkx keeps the order in which it meets joints
    chains: list[BoneChain] = []
    for part in sorted(nx.connected_components(free), key=lambda joints: min(map(places.__getitem__, joints))):
        anchored = [joint for joint in part if resting & set(graph[joint])]
        if len(anchored) > 1 or (anchored and len(resting & set(graph[anchored[0]])) > 1):
            continue  # between two joints that rest
        ends = anchored or [joint for joint in part if free.degree[joint] < 2]
        first = min(ends, key=places.__getitem__)
        root = next(iter(resting & set(graph[first])), "")
        chains.append(BoneChain(tuple(nx.dfs_preorder_nodes(free.subgraph(part), first)), root))
    return tuple(_placed(chain, index, chains) for index, chain in enumerate(chains))


def _placed(chain: BoneChain, index: int, chains: list[BoneChain]) -> BoneChain:
    beside = [i for i, other in enumerate(chains) if chain.root and other.root == chain.root]
    order = beside.index(index) if beside else 0
    fan = 2 * order / (len(beside) - 1) - 1 if len(beside) > 1 else 0.0
    return BoneChain(chain.joints, chain.root, order, fan)


def joined_bones(names: Sequence[str], bones: Bones) -> list[tuple[int, int]]:
    """Bones between landmarks; a joint that is no landmark and lies between two of them is passed by.

    Args:
        names: of the landmarks.
        bones: pairs of joints.

    Returns:
        Pairs of places among ``names``.

    """
    import networkx as nx

    graph = nx.DiGraph(list(bones))
    for joint in [joint for joint in graph if joint not in names]:
        before, after = list(graph.predecessors(joint)), list(graph.successors(joint))
        graph.remove_node(joint)
        if len(before) == len(after) == 1:
            graph.add_edge(before[0], after[0])
    place = {name: index for index, name in enumerate(names)}
    return [(place[a], place[b]) for a, b in graph.edges]
