/* What an op is: one constant pnb_op, in the file that carries its name.
 *
 * src/ops/conv2d.c defines `const pnb_op pnb_op_conv2d` (shape rule, vjp, lowering to dispatches), the builder function
 * that callers use (declared in ops/ops.h or the floor's own header), and its case list (ops/suite.h).
 * Floors above may define ops of their own (solve's step state, a prior's mixture score): the graph knows only this struct.
 */
#ifndef PNB_GRAPH_OP_H
#define PNB_GRAPH_OP_H

#include "graph/graph.h"

/* Memory offsets of tensors and views are multiples of this: it satisfies every device's binding alignment. */
enum { PNB_MEMORY_ALIGNMENT = 256 };
enum { PNB_GROUP_BYTES = 64 << 20 }; /* of a group of storages or a join of tensors: every device binds that much */
uint64_t pnb_round_up(uint64_t value, uint64_t multiple);
static inline uint32_t pnb_divide_up(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

enum { PNB_NODE_MAX_IN = 8, PNB_NODE_MAX_OUT = 6, PNB_NODE_ATTR_BYTES = 96 };

/* One node. Attributes are a small plain struct of the op's own, copied by value. */
typedef struct pnb_node {
    const pnb_op *op;
    uint32_t n_in, n_out;
    pnb_tensor in[PNB_NODE_MAX_IN];   /* PNB_NONE for an absent optional input */
    pnb_tensor out[PNB_NODE_MAX_OUT]; /* out[0..] results; an op may add workspace tensors as further outputs */
    uint32_t inout; /* bit i: in[i] is also written (optimisers, step state); must be a VARIABLE storage or a view of one */
    _Alignas(8) unsigned char attr[PNB_NODE_ATTR_BYTES];
} pnb_node;

/* ---- lowering: a node becomes dispatches ------------------------------------------------------------------------ */

typedef enum pnb_access { PNB_READ = 1, PNB_WRITE = 2, PNB_READ_WRITE = 3 } pnb_access;

typedef struct pnb_dispatch {
    const char *shader;                     /* embedded shader name, static string */
    const uint32_t *code;                   /* SPIR-V of a shader that is not embedded, which outlives the program; NULL: embedded */
    size_t code_bytes;
    const char *label;                      /* static string for debug labels and the profile; NULL: the shader */
    uint32_t n_bind;
    struct {
        pnb_tensor tensor;
        pnb_access access;
        bool texel;                         /* bound as a uniform texel buffer (RGBA32F) */
        bool half;                          /* bound as a storage buffer of 16-bit floats, for kernels that take them so */
    } bind[PNB_GPU_MAX_BINDINGS];
    uint32_t n_spec, spec[PNB_GPU_MAX_SPEC]; /* spec[0] = local_size_x */
    uint32_t push_bytes;
    _Alignas(8) unsigned char push[PNB_GPU_MAX_PUSH];
    uint32_t groups[3];
    double gflop, gbyte;                    /* for the profile; 0 if unknown */
} pnb_dispatch;

typedef struct pnb_lower pnb_lower;
const pnb_gpu_caps *pnb_lower_caps(const pnb_lower *l); /* never NULL: a baseline device when planning without one */
bool pnb_lower_half(const pnb_lower *l, pnb_tensor t); /* stored as 16-bit floats: it must be read as texels, or as half */
bool pnb_lower_same_memory(const pnb_lower *l, pnb_tensor a, pnb_tensor b); /* an output took over the input's place */
pnb_shape pnb_lower_shape(const pnb_lower *l, pnb_tensor t);
pnb_status pnb_lower_emit(pnb_lower *l, const pnb_dispatch *d);
pnb_status pnb_lower_fail(pnb_lower *l, pnb_status status, const char *format, ...);
/* As pnb_graph_choose (below), where only the kernels depend on it and not the nodes; at most once a node. The tuner times
 * all dispatches of the node. */
uint32_t pnb_lower_choose(pnb_lower *l, const char *key, const char *const *candidates, uint32_t n,
                          uint32_t preferred);
/* Workgroups for `threads` invocations of `local` each, folded into x and y so that no dimension passes the device's limit.
 * Shaders get their number from pnb_linear_id() of lib/index.glsl and test it against the count. */
void pnb_groups_1d(const pnb_gpu_caps *caps, uint64_t threads, uint32_t local, uint32_t groups[3]);
uint32_t pnb_local_size(const pnb_gpu_caps *caps); /* a good local_size_x for elementwise kernels on this device */

/* ---- the op ----------------------------------------------------------------------------------------------------- */

struct pnb_op {
    const char *name; /* the stem */
    /* Cotangents of the outputs in (PNB_NONE: zero), cotangents of the inputs out. want has a bit for each input whose
     * cotangent is needed; leave gin[i] = PNB_NONE where it is zero or not wanted. Appends nodes to g through the builders.
     * NULL: the op has no derivative (an error if one is asked for). node points to a stable copy. */
    pnb_status (*vjp)(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin);
    /* Emit the dispatches of this node. */
    pnb_status (*lower)(pnb_lower *l, const pnb_node *node);
    /* a, with scale times out[0] of this node added to its rows from `begin` on: appends one node that does both, in place on a;
     * the node itself is dropped unless something else needs it. NULL: pnb_add_rows adds what the node made. */
    pnb_status (*add_to)(pnb_graph *g, const pnb_node *node, pnb_tensor a, uint32_t begin, float scale, pnb_tensor *y);
    uint32_t addend;   /* 1 + the number of an input that is added to out[0] where it is given; 0: there is none. Lets sums of gradients
                          be made by the node that makes their last part */
    uint32_t inplace;  /* bit i: out[0] may share memory with in[i] if that dies here (elementwise) and their sizes are equal */
    bool impure;       /* never merged or hoisted (noise, step state) */
    bool makes_half;   /* out[0] is stored as 16-bit floats, in a multiple of 8 elements */
    bool early;        /* runs right behind the node that makes in[0], wherever it was added */
    uint32_t reads_half; /* bit i: in[i] may be stored as 16-bit floats */
    uint32_t keeps_half; /* bit i: where the graph narrows, vjp is given in[i] as 16-bit floats (all that it makes of it reads that) */
};

/* While a graph narrows, constants that new nodes prepare and activations that their derivatives keep are stored as 16-bit floats
 * where their ops can; the nodes that derivatives append narrow as the nodes that they come from. Returns what was set before. */
bool pnb_graph_narrow(pnb_graph *g, bool narrow);
bool pnb_graph_narrows(const pnb_graph *g);
bool pnb_graph_computed(const pnb_graph *g, pnb_tensor t); /* the result of a node, and no view of one */
bool pnb_graph_is_half(const pnb_graph *g, pnb_tensor t);
/* The first output of the node of this op and these attributes whose only input is x; PNB_NONE: there is none yet. It still holds what
 * such a node would make if x is computed. */
pnb_tensor pnb_graph_user(const pnb_graph *g, const pnb_op *op, pnb_tensor x, const void *attr, size_t attr_bytes);

/* Append a node. out_shapes gives the shapes of all n_out outputs (workspace included); the builder has checked the inputs.
 * attr_bytes <= PNB_NODE_ATTR_BYTES. out receives the ids of the first n_wanted outputs. */
pnb_status pnb_graph_add(pnb_graph *g, const pnb_op *op, const pnb_tensor *in, uint32_t n_in, uint32_t inout, const void *attr,
                         size_t attr_bytes, const pnb_shape *out_shapes, uint32_t n_out, pnb_tensor *out, uint32_t n_wanted);

/* For builders and vjps: what the graph is built for, and which of several ways to build an op to take.
 *
 *     static const char *const ways[] = {"direct", "winograd"};
 *     const pnb_gpu_caps *caps = pnb_graph_caps(g);
 *     snprintf(key, sizeof key, "conv2d 3x3 n%u c%u o%u %ux%u", ...);
 *     switch (pnb_graph_choose(g, key, ways, 2, caps->is_cpu ? WINOGRAD : DIRECT)) ...
 *
 * pnb_graph_choose gives the tuned candidate's index where this device has one, else `preferred`; it never depends on a
 * measurement made in the same run. Every candidate must run on the device and hold the op's tolerance. The key names op
 * and shape. Candidates are static strings; one whose meaning changes gets a new name. What the tuner times for a choice:
 * the nodes added after it, up to the next choice, whose op's name begins as the key does up to its first space
 * ("conv2d", "conv2d_pack"). */
const pnb_gpu_caps *pnb_graph_caps(const pnb_graph *g); /* never NULL: the baseline's for a graph without a device */
uint32_t pnb_graph_choose(pnb_graph *g, const char *key, const char *const *candidates, uint32_t n,
                          uint32_t preferred);

/* For builders: a frozen tensor of values that the host computes (twiddle factors), made once a graph and name, which is copied and
 * states all that the values depend on. fill gets zeros. */
pnb_status pnb_graph_table(pnb_graph *g, const char *name, pnb_shape shape, void (*fill)(const void *user, float *values),
                           const void *user, pnb_tensor *out);

/* For builders: fails with a sentence if t is not a tensor of g ("conv2d: input 1 (weight) is missing"). */
pnb_status pnb_graph_check(pnb_graph *g, const char *op, const char *role, pnb_tensor t);

/* The node whose first output t is, as it is or reshaped; NULL: none. Valid until the next node is added. */
const pnb_node *pnb_graph_maker(const pnb_graph *g, pnb_tensor t);

/* Whether t depends on frozen storages alone, so that what is made of it is made once. */
bool pnb_graph_constant(const pnb_graph *g, pnb_tensor t);

/* Whose memory t lies in (itself, if it is no view), and where in it, in bytes. */
pnb_tensor pnb_graph_root(const pnb_graph *g, pnb_tensor t, uint64_t *offset);

/* For optimisers: the memory of n results as one tensor [elements], part i at offset[i] bytes (a multiple of 256) of it; nothing is
 * copied, the planner puts them there. What lies between parts is undefined. A part must be joinable: what a node made (as it is
 * or reshaped), no output, no constant, in no other join. No derivative. */
bool pnb_graph_joinable(const pnb_graph *g, pnb_tensor t);
pnb_status pnb_graph_join(pnb_graph *g, const pnb_tensor *parts, const uint64_t *offsets, size_t n, uint32_t elements, pnb_tensor *out);

/* Stops derivatives at t: gradients are not carried through the node that made it. */
pnb_status pnb_graph_stop(pnb_graph *g, pnb_tensor t);

#endif
