/* How the transform along one axis is made: which passes, in which dispatches, with which tables of twiddles. */
#ifndef PNB_OPS_FFT_PLAN_H
#define PNB_OPS_FFT_PLAN_H

#include "graph/op.h"

#include "ops/fft.h"

enum { PNB_FFT_MAX_PASSES = 12 };

typedef struct pnb_fft_plan {
    uint32_t n, outer, inner; /* [outer, n, inner] complex numbers */
    uint32_t kind;            /* PNB_FFT_* */
    uint32_t count, radix[PNB_FFT_MAX_PASSES];
    uint32_t width; /* lines of units that a workgroup transforms in shared memory, all passes in one dispatch; 0: a dispatch a pass */
    uint32_t line;  /* vec4s of a line there */
    uint32_t local; /* invocations of such a workgroup */
} pnb_fft_plan;

/* What plans depend on beside the shape; kept in a node, so that it is lowered as it was built. */
typedef struct pnb_fft_limits {
    uint32_t largest;      /* radix of a pass */
    uint32_t shared_bytes; /* of a workgroup; 0: nothing in shared memory */
    uint32_t most_local;   /* invocations of a workgroup there */
} pnb_fft_limits;
pnb_fft_limits pnb_fft_limits_of(const pnb_gpu_caps *caps, bool shared);

/* Whether all factors of n are 2, 3, 5 and 7: only such lengths have plans. */
bool pnb_fft_smooth(uint32_t n);

/* Of the transform of x [.., n, 2] along its rows, or of x [.., n, columns, 2] along its columns; in shared memory where the limits
 * allow it. */
void pnb_fft_make_plan(const pnb_fft_limits *limits, pnb_shape x, bool rows, pnb_fft_plan *p);

/* Dispatches of a plan; the items of one of them, for a pass of this radix, or workgroups in shared memory. */
uint32_t pnb_fft_dispatches(const pnb_fft_plan *p);
uint32_t pnb_fft_items(const pnb_fft_plan *p, uint32_t radix);

/* Units across the axis; of rows by twos, how many rows there are. */
uint32_t pnb_fft_inner(const pnb_fft_plan *p);

/* Complex numbers in the table of pass i, which comes after `done`: all passes but the first have one. */
uint32_t pnb_fft_table_size(const pnb_fft_plan *p, uint32_t i, uint32_t done);

/* The tables of all passes, one behind the other; PNB_NONE where there is only one pass. */
pnb_status pnb_fft_bind_twiddles(pnb_graph *g, const pnb_fft_plan *p, pnb_tensor *table);

#endif
