"""The Graph: what is computed, as immutable data; checked, built, saved, loaded."""

from emu.graph.builder import GraphBuilder as GraphBuilder
from emu.graph.edges import with_real_edges as with_real_edges
from emu.graph.fold import fold_constants as fold_constants
from emu.graph.graph import (
    Golden as Golden,
    Graph as Graph,
    Node as Node,
    Shape as Shape,
    Tensor as Tensor,
    consumers as consumers,
    is_static as is_static,
    producers as producers,
    without_dead as without_dead,
)
from emu.graph.infer import infer as infer
from emu.graph.numbers import (
    Numbers as Numbers,
    as_number as as_number,
    numbers_of as numbers_of,
    structure as structure,
    with_numbers as with_numbers,
)
from emu.graph.serialize import (
    load_graph as load_graph,
    save_graph as save_graph,
    write_atomically as write_atomically,
)
from emu.graph.shares import (
    AROUND as AROUND,
    MacShares as MacShares,
    mac_shares as mac_shares,
    node_macs as node_macs,
)
from emu.graph.trace import (
    check_input as check_input,
    select as select,
    trace as trace,
)
from emu.graph.verify import verify as verify
