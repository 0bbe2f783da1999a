/* What the files of the benchmark share: programs timed as they run, and taken apart by timestamps. */
#ifndef PNB_API_BENCH_H
#define PNB_API_BENCH_H

#include "api/handles.h"

/* The roof that the device reaches itself. */
typedef struct pnb_peak {
    double gflops, gbps; /* multiply-adds as two operations; bytes read and written */
    const char *copy;    /* what copies fastest; static */
} pnb_peak;

typedef struct pnb_bencher {
    pnb_context *ctx;
    pnb_gpu *gpu;
    pnb_bench_params params;
    pnb_peak peak;
    cJSON *json; /* the whole result */
} pnb_bencher;

/* ---- bench.c ----------------------------------------------------------------------------------------------------- */

typedef struct pnb_times {
    double min, q1, median, q3, max;
    uint32_t repeat;
} pnb_times;

/* Sorts ms. */
pnb_times pnb_times_of(double *ms, uint32_t repeat);
bool pnb_times_json(cJSON *row, pnb_times t); /* "ms": {min, q1, median, q3, max}, "repeat" */
/* A line of text to the caller; PNB_ERROR_CANCELLED where it says stop. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
pnb_status
pnb_bench_say(pnb_bencher *b, const char *format, ...);
/* The values of a storage: scale z + shift, z ~ N(0,1) of that stream. */
pnb_status pnb_bench_fill(pnb_bencher *b, pnb_storage *s, uint32_t stream, float scale, float shift);
/* What was done in some time. */
typedef struct pnb_rates {
    double gflops, gbps, peak_share, copy_share; /* shares of the device's peak */
} pnb_rates;
/* gflop: as the case counts; done: as its kernels do, of which Winograd's do less. */
pnb_rates pnb_bench_rates(const pnb_bencher *b, double ms, double gflop, double done, double gbyte);
bool pnb_bench_rates_json(cJSON *row, pnb_rates r);

/* ---- bench_program.c --------------------------------------------------------------------------------------------- */

/* One unit of work: programs with the number of their runs in it. */
typedef struct pnb_work {
    pnb_step_part *parts;
    size_t n_parts;
    const char *name; /* "ppm step, garments 32x32, K 8" */
    bool whole_only;  /* not taken apart by kernel */
    double build_seconds;
    uint64_t planned_bytes;
} pnb_work;

/* Warms up, then runs the whole, timed by the host, and once more with timestamps, in turn. Fills row and says a line
 * and a table by kernel. */
pnb_status pnb_bench_work(pnb_bencher *b, const pnb_work *work, cJSON *row);

/* ---- bench_peak.c ------------------------------------------------------------------------------------------------ */

/* "peak", and b->peak; once, before the first row that is measured against it. */
pnb_status pnb_bench_peak(pnb_bencher *b);

/* ---- one file each ----------------------------------------------------------------------------------------------- */

pnb_status pnb_bench_ops(pnb_bencher *b);     /* "rows" */
pnb_status pnb_bench_step(pnb_bencher *b);    /* "steps" */
pnb_status pnb_bench_network(pnb_bencher *b); /* "networks" */
pnb_status pnb_bench_scaling(pnb_bencher *b); /* "scaling", "notes" */

/* ---- bench_step.c, for bench_scaling.c --------------------------------------------------------------------------- */

/* A garment of side x side behind a box, in proportion to that of assets/demo.json; the prior: the garments' network
 * with `width` times its channels and random weights. */
typedef struct pnb_bench_garment {
    pnb_model *model;
    pnb_forward *forward;
    pnb_problem *problem;
} pnb_bench_garment;
pnb_status pnb_bench_garment_create(pnb_context *ctx, uint32_t side, uint32_t width, pnb_bench_garment *out);
void pnb_bench_garment_finish(pnb_bench_garment *g);
/* Times the step of the problem's method; before says what stands in front of the step's name. */
pnb_status pnb_bench_problem(pnb_bencher *b, pnb_problem *problem, const char *before, bool whole_only, cJSON *row);

#endif
