/* Copies that are stored as 16-bit floats. Only inputs that an op reads so (op.h, reads_half) take them. */
#ifndef PNB_OPS_HALF_H
#define PNB_OPS_HALF_H

#include "graph/graph.h"

/* Whether a tensor of this shape can be one: a multiple of 8 elements that the device views as texels. */
bool pnb_half_fits(const pnb_graph *g, pnb_shape s);
/* y: the copy of x, the same one at each call; x itself where it does not fit or is one already. */
pnb_status pnb_half(pnb_graph *g, pnb_tensor x, pnb_tensor *y);
/* The same for a constant x while the graph narrows (pnb_graph_narrow); else y is x. */
pnb_status pnb_half_constant(pnb_graph *g, pnb_tensor x, pnb_tensor *y);
/* The same for an x that a node made and that is no view. */
pnb_status pnb_half_activation(pnb_graph *g, pnb_tensor x, pnb_tensor *y);

#endif
