/* Exchange of particles: those whose loss is larger than another's go on as copies of it. */
#ifndef PNB_SOLVE_EXCHANGE_H
#define PNB_SOLVE_EXCHANGE_H

#include "graph/graph.h"

typedef struct pnb_exchange {
    uint32_t particles; /* at most 2^24 */
    uint64_t seed;
    uint32_t stream;
    uint32_t rate_index; /* entry of the step state: rate of this step */
} pnb_exchange;

/* loss: [K], one a particle. source: [K], the number of the particle that each goes on as, an index for pnb_lookup. */
pnb_status pnb_exchange_sources(pnb_graph *g, pnb_tensor state, pnb_tensor loss, pnb_exchange params,
                                pnb_tensor *source);

#endif
