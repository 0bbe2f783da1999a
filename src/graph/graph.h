/* The static graph: what is to be computed, over which tensors, with derivatives, memory and a recorded program.
 *
 * Life of a computation:
 *     store   persistent tensors (weights, particles, optimiser state, step state): host-described, then given memory
 *     graph   nodes (op, inputs, attributes) over tensors; every shape is checked while it is built
 *     grad    pnb_graph_grad appends backward nodes by each op's vector-Jacobian product
 *     program the plan of memory, the kernels, the recorded command lists: run it as often as wanted, no host work
 *
 * Tensors are fp32, rank 1 to 4, row-major, NCHW for images. A tensor is a small integer that belongs to its graph.
 * Node order is execution order. Persistent tensors changed in place (optimiser, step state) are seen changed by later nodes.
 * One thread at a time. Failures leave a sentence in the pnb_error given at creation.
 */
#ifndef PNB_GRAPH_GRAPH_H
#define PNB_GRAPH_GRAPH_H

#include "base/status.h"
#include "gpu/gpu.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pnb_graph pnb_graph;
typedef struct pnb_store pnb_store;
typedef struct pnb_storage pnb_storage;
typedef struct pnb_program pnb_program;
typedef struct pnb_op pnb_op;
typedef int32_t pnb_tensor;
#define PNB_NONE ((pnb_tensor)-1)

typedef struct pnb_shape {
    uint32_t rank;
    uint32_t d[4]; /* d[0] is the slowest; unused entries are 1 */
} pnb_shape;

pnb_shape pnb_shape1(uint32_t a);
pnb_shape pnb_shape2(uint32_t a, uint32_t b);
pnb_shape pnb_shape3(uint32_t a, uint32_t b, uint32_t c);
pnb_shape pnb_shape4(uint32_t a, uint32_t b, uint32_t c, uint32_t d);
uint64_t pnb_shape_count(pnb_shape s); /* number of elements */
bool pnb_shape_equal(pnb_shape a, pnb_shape b);
/* "[8,32,16,16]" into buf (at least 48 bytes); returns buf. */
const char *pnb_shape_text(pnb_shape s, char *buf);

/* ---- store: persistent tensors ---------------------------------------------------------------------------------- */

typedef enum pnb_storage_kind {
    PNB_STORAGE_FROZEN,  /* never changed by a program (a prior's weights): what depends on it alone is computed once */
    PNB_STORAGE_VARIABLE /* changed by programs or by uploads between runs */
} pnb_storage_kind;

pnb_status pnb_store_create(pnb_error *err, const char *name, pnb_store **out);
void pnb_store_destroy(pnb_store **store, pnb_gpu *gpu); /* gpu: NULL if never committed */
/* Describe a tensor. name is copied and must be new in this store. Values start as zero. */
pnb_status pnb_store_add(pnb_store *store, const char *name, pnb_shape shape, pnb_storage_kind kind, pnb_storage **out);
pnb_storage *pnb_store_find(const pnb_store *store, const char *name); /* NULL if absent */
size_t pnb_store_count(const pnb_store *store);
pnb_storage *pnb_store_at(const pnb_store *store, size_t i);
uint64_t pnb_store_bytes(const pnb_store *store);
/* Lay these tensors one behind the other in memory, so that one dispatch can walk over all of them (pnb_adam_steps): by rank, since
 * gradients of equal rank are made alike, else in this order; each at a multiple of 256 bytes, in runs of at most 64 MiB. Before
 * commit; VARIABLE tensors of this store, each in one group. */
pnb_status pnb_store_group(pnb_store *store, pnb_storage *const *parts, size_t n);
/* Give device memory to all tensors that have none yet. */
pnb_status pnb_store_commit(pnb_store *store, pnb_gpu *gpu);
/* Host copies, after commit; count = elements of the whole tensor. */
pnb_status pnb_storage_write(pnb_storage *s, pnb_gpu *gpu, const float *values, uint64_t count);
pnb_status pnb_storage_read(const pnb_storage *s, pnb_gpu *gpu, float *values, uint64_t count);
const char *pnb_storage_name(const pnb_storage *s);
pnb_shape pnb_storage_shape(const pnb_storage *s);
pnb_storage_kind pnb_storage_get_kind(const pnb_storage *s);
pnb_gpu_binding pnb_storage_binding(const pnb_storage *s); /* where it lies, after commit */

/* ---- graph ------------------------------------------------------------------------------------------------------ */

/* gpu: the device that the graph is built for, and the only one it then runs on; it must outlive the graph. NULL: a graph
 * for no device in particular, built as for the baseline device; it runs on any. */
pnb_status pnb_graph_create(pnb_error *err, pnb_gpu *gpu, const char *name, pnb_graph **out);
void pnb_graph_destroy(pnb_graph **graph);
pnb_error *pnb_graph_error(pnb_graph *g);

/* The tensor that stands for a storage in this graph (the same one at each call). */
pnb_status pnb_graph_bind(pnb_graph *g, pnb_storage *s, pnb_tensor *out);
/* reshape is a zero-copy view with the same element count. slice0 gives rows [begin, begin+count) of dimension 0: a zero-copy
 * view where its byte offset is a multiple of 256 (then bindable on every device; such a view of a VARIABLE storage may be
 * written through), otherwise a copy made by a node. Both are differentiable. */
pnb_status pnb_graph_reshape(pnb_graph *g, pnb_tensor x, pnb_shape shape, pnb_tensor *out);
pnb_status pnb_graph_slice0(pnb_graph *g, pnb_tensor x, uint32_t begin, uint32_t count, pnb_tensor *out);

pnb_shape pnb_graph_shape(const pnb_graph *g, pnb_tensor t);
const char *pnb_graph_tensor_name(const pnb_graph *g, pnb_tensor t);
void pnb_graph_set_name(pnb_graph *g, pnb_tensor t, const char *name); /* for reports and errors; copied */
size_t pnb_graph_node_count(const pnb_graph *g);
/* Keep a tensor's memory to the end, so that pnb_program_read can read it after a run. */
pnb_status pnb_graph_output(pnb_graph *g, pnb_tensor t);

/* Nodes added between begin and end form a checkpointed segment: its inner tensors are not kept for the backward pass but
 * computed again there. Segments do not nest. */
pnb_status pnb_graph_segment_begin(pnb_graph *g, const char *name);
pnb_status pnb_graph_segment_end(pnb_graph *g);
/* Do not keep t for the backward pass either: the node that makes it runs again there, from inputs that are kept. For what is large
 * and cheap to make. In a segment this says nothing more, and a tensor that cannot be made again is kept. */
void pnb_graph_remake(pnb_graph *g, pnb_tensor t);

/* Reverse-mode derivative: for each wrt[i], grad[i] becomes the gradient of sum_j sum(y[j] * cotangent[j]) with respect to
 * wrt[i] (PNB_NONE if y does not depend on it). Appends only the nodes that these gradients need. Nothing is differentiated
 * through tensors marked with pnb_graph_stop. y and cotangent have equal shapes. */
pnb_status pnb_graph_grad(pnb_graph *g, const pnb_tensor *y, const pnb_tensor *cotangent, size_t ny, const pnb_tensor *wrt,
                          size_t nwrt, pnb_tensor *grad);

/* ---- program ---------------------------------------------------------------------------------------------------- */

/* Memory that programs of one device share: intermediates of one lie where those of another lay, and what is prepared from
 * frozen storages is prepared once. A program's outputs (pnb_graph_output) last until another of its memory runs. It outlives its
 * programs, and the frozen storages outlive it. Arenas do not grow: make the program that needs most first. gpu NULL: a memory of
 * sizes alone, to know what programs would take; these are planned, and cannot run. */
typedef struct pnb_program_memory pnb_program_memory;
pnb_status pnb_program_memory_create(pnb_error *err, pnb_gpu *gpu, pnb_program_memory **out);
void pnb_program_memory_destroy(pnb_program_memory **memory);
uint64_t pnb_program_memory_bytes(const pnb_program_memory *memory);

typedef struct pnb_program_params {
    double max_submission_ms;   /* longest GPU time of one submission, by measured cost; 0: 50 ms */
    uint64_t memory_budget;     /* bytes of its memory's arenas and prepared constants; 0: what the device has */
    bool profile;               /* record a second time with a timestamp around every dispatch: pnb_program_run_profiled */
    pnb_program_memory *memory; /* NULL: one of its own */
} pnb_program_params;

/* What the plan needs, before anything is allocated. */
typedef struct pnb_plan_report {
    uint64_t arena_bytes;       /* intermediates after lifetime packing */
    uint64_t unshared_bytes;    /* what they would take without */
    uint64_t constant_bytes;    /* prepared once from frozen tensors, and not by another program of its memory */
    uint64_t storage_bytes;     /* persistent tensors that the graph touches */
    uint32_t tensors, dispatches, barriers, arenas;
    char largest[512];          /* the largest tensors that live at the peak, in words */
} pnb_plan_report;

/* Plan only: no memory, no kernels. caps: NULL for those that the graph is built for. */
pnb_status pnb_graph_plan(pnb_graph *g, const pnb_gpu_caps *caps, pnb_plan_report *out);

/* Plan, allocate, make kernels, record, and compute what depends on frozen tensors alone. All storages that the graph binds
 * must be committed. params may be NULL. */
pnb_status pnb_program_create(pnb_graph *g, pnb_gpu *gpu, const pnb_program_params *params, pnb_program **out);
/* Only the kernels that such a program needs: no memory is taken, storages need none. */
pnb_status pnb_program_compile(pnb_graph *g, pnb_gpu *gpu);
void pnb_program_destroy(pnb_program **program);
/* One replay: submits (in several submissions if it is long) and returns; wait with pnb_gpu_wait. The first run measures. */
pnb_status pnb_program_run(pnb_program *p);
/* Read a tensor that was marked with pnb_graph_output, or a bound storage; waits. count = elements. */
pnb_status pnb_program_read(pnb_program *p, pnb_tensor t, float *values, uint64_t count);
const pnb_plan_report *pnb_program_report(const pnb_program *p);
const char *pnb_program_name(const pnb_program *p); /* that of its graph */

/* A choice that was made while graph or program were built (op.h): the candidate `name`, of n, under `key`. */
typedef struct pnb_choice_made {
    const char *key, *name, *preferred; /* preferred: what the op takes where nothing was tuned */
    uint32_t n;
} pnb_choice_made;
/* All of them, each pair of key and name once, in the order in which they were met. Owned by the program. */
const pnb_choice_made *pnb_program_choices(const pnb_program *p, size_t *count);

/* One replay with a timestamp around every dispatch (params.profile). Timestamps cost time themselves on some drivers, so
 * the whole is timed in pnb_program_run, and the parts here. */
pnb_status pnb_program_run_profiled(pnb_program *p);
/* Profile of the last profiled run: one row a dispatch. */
typedef struct pnb_profile_row {
    const char *op, *kernel;
    double ms, gflop, gbyte;
    int32_t choice[2]; /* the program's choices that this dispatch belongs to: the graph's and the lowering's; -1: none */
} pnb_profile_row;
pnb_status pnb_program_profile(pnb_program *p, const pnb_profile_row **rows, size_t *count);

#endif
