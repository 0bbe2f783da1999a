/* What the files of src/graph share: the insides of graph, store and plan. Nobody outside includes this, except tests. */
#ifndef PNB_GRAPH_INTERNAL_H
#define PNB_GRAPH_INTERNAL_H

#include "graph/op.h"

typedef enum pnb_view_kind { PNB_NOT_A_VIEW, PNB_VIEW_RESHAPE, PNB_VIEW_SLICE0 } pnb_view_kind;

typedef struct pnb_tensor_info {
    pnb_shape shape;
    char *name;            /* owned */
    int32_t node;          /* that makes it; -1: a storage or a view */
    pnb_storage *storage;  /* a bound storage, else NULL */
    pnb_view_kind view;
    pnb_tensor parent;     /* of a view: the tensor it was made from */
    pnb_tensor root;       /* whose memory it is: itself if it is neither a view nor joined */
    uint64_t offset;       /* bytes into the root */
    uint32_t begin;        /* of a slice0 view: its first row in parent */
    int32_t last_write;    /* of a storage: the newest node that changes it in place; -1: none */
    bool output, stop;
    bool remake;           /* pnb_graph_remake */
    bool constant;         /* depends on frozen storages alone, through no impure node */
    bool half;             /* stored as 16-bit floats; of a root, and of its views */
} pnb_tensor_info;

typedef struct pnb_graph_node {
    pnb_node n;
    int32_t segment; /* -1: none */
    int32_t choice;  /* of the graph's, -1: none */
    bool constant;
    bool narrow;     /* added while the graph narrowed */
} pnb_graph_node;

typedef struct pnb_segment {
    char *name;
    pnb_tensor first, end; /* its tensors are [first, end) */
} pnb_segment;

typedef struct pnb_tables pnb_tables;

struct pnb_graph {
    pnb_error *err;
    pnb_gpu *gpu;      /* NULL: for no device in particular */
    pnb_gpu_caps caps;
    char *name;
    pnb_tensor_info *tensors;
    pnb_graph_node *nodes;
    pnb_segment *segments;
    pnb_tensor *bound; /* the tensors that stand for storages */
    size_t tensor_count, tensor_capacity, node_count, node_capacity;
    size_t segment_count, segment_capacity, bound_count, bound_capacity;
    int32_t open_segment; /* -1: none */
    pnb_choice_made *choices; /* keys owned */
    size_t choice_count, choice_capacity;
    int32_t open_choice; /* that new nodes may belong to; -1: none */
    bool narrow;         /* what lives long may be stored as 16-bit floats */
    bool choices_failed; /* one could not be recorded */
    pnb_tables *tables;  /* NULL: none */
};

/* Room for `need` elements of `size` bytes in *array (grown by doubling). */
pnb_status pnb_reserve(pnb_error *err, void *array, size_t *capacity, size_t need, size_t size);
/* A copy of text, or NULL with an error. */
char *pnb_copy_text(pnb_error *err, const char *text);
/* Bytes of memory of a tensor: 4 an element, rounded up to 16 (one texel of a texel buffer). */
uint64_t pnb_shape_bytes(pnb_shape s);
uint64_t pnb_tensor_bytes(const pnb_graph *g, pnb_tensor t); /* the same, or half of it where its values are 16-bit floats */
/* The group that a storage is part of, and where in it (bytes); NULL: none. */
pnb_storage *pnb_storage_group(const pnb_storage *s, uint64_t *offset);
pnb_status pnb_shape_check(pnb_error *err, const char *where, pnb_shape s);
bool pnb_graph_has(const pnb_graph *g, pnb_tensor t);
/* A view of `parent` with the given shape, at `offset` bytes into it. */
pnb_status pnb_graph_add_view(pnb_graph *g, pnb_view_kind kind, pnb_tensor parent, pnb_shape shape, uint64_t offset,
                              uint32_t begin, pnb_tensor *out);

/* ---- checkpoint.c ----------------------------------------------------------------------------------------------- */

/* Append copies of a segment's nodes that compute its inner tensors again. map (one entry a tensor, PNB_NONE: itself) gets
 * the copies' ids. Nodes that are impure, change a storage or depend on frozen storages alone keep their results instead. */
pnb_status pnb_segment_clone(pnb_graph *g, int32_t segment, pnb_tensor *map);
/* The tensor that a derivative shall read for t: t itself, or where t or what it is a view of is to be made again, that copy. */
pnb_status pnb_remade(pnb_graph *g, pnb_tensor t, pnb_tensor *map, pnb_tensor *out);

/* ---- choose.c --------------------------------------------------------------------------------------------------- */

/* The choice that a new node of this op belongs to, -1 for none. */
int32_t pnb_graph_choice_of(const pnb_graph *g, const pnb_op *op);
pnb_status pnb_choice_made_copy(pnb_error *err, const pnb_choice_made *from, size_t count, pnb_choice_made **out);
void pnb_choice_made_free(pnb_choice_made *choices, size_t count);

/* ---- pack.c: offsets by lifetime -------------------------------------------------------------------------------- */

typedef struct pnb_slot {
    uint64_t bytes;
    uint32_t first, last; /* positions in the order of execution between which it lives, both included */
    uint32_t arena;       /* out */
    uint64_t offset;      /* out */
} pnb_slot;

typedef struct pnb_blocks {
    uint64_t *bytes;
    size_t count, capacity;
} pnb_blocks;

/* Place slots in arenas of at most `limit` bytes, largest first, each in the gap that fits best, so that no two that live at
 * the same time overlap. Every slot is at most `limit`. */
pnb_status pnb_pack(pnb_error *err, pnb_slot *slots, size_t count, uint64_t limit, pnb_blocks *arenas);

/* ---- memory.c: what programs lie in ------------------------------------------------------------------------------- */

typedef struct pnb_buffer {
    pnb_gpu_buffer *buffer;
    uint64_t bytes;
} pnb_buffer;

typedef struct pnb_buffers {
    pnb_buffer *items;
    size_t count, capacity;
} pnb_buffers;

/* A tensor that was prepared from frozen storages, and where it lies. */
typedef struct pnb_prepared {
    uint64_t recipe, bytes, offset;
    uint32_t block; /* of constants */
} pnb_prepared;

struct pnb_program_memory {
    pnb_error *err;
    pnb_gpu *gpu;
    pnb_buffers arenas, constants;
    pnb_prepared *prepared;
    size_t prepared_count, prepared_capacity;
};

/* A new buffer behind the others. */
pnb_status pnb_memory_add(pnb_program_memory *m, pnb_buffers *to, uint64_t bytes, const char *name);
/* map[i]: the smallest arena that holds wanted arena i and no other's, or one that is still to be added. Returns the bytes of those. */
uint64_t pnb_memory_map_arenas(const pnb_program_memory *m, const pnb_blocks *wanted, uint32_t *map);
/* NULL: not prepared yet. m may be NULL. */
const pnb_prepared *pnb_memory_find(const pnb_program_memory *m, uint64_t recipe, uint64_t bytes);
pnb_status pnb_memory_enter(pnb_program_memory *m, pnb_prepared prepared);
/* recipe[t], of constant tensors that are no views: a hash of the storages that t is computed from and of how. */
void pnb_constant_recipes(const pnb_graph *g, uint64_t *recipe);

/* ---- tables.c --------------------------------------------------------------------------------------------------- */

/* The graph's tables to the device; *held, where there are any, is released by its new holder. */
pnb_status pnb_tables_commit(pnb_graph *g, pnb_gpu *gpu, pnb_tables **held);
void pnb_tables_release(pnb_tables *tables); /* accepts NULL */
/* Whether s is one of them: then its name says what is in it. */
bool pnb_tables_has(const pnb_graph *g, const pnb_storage *s);

/* ---- merge.c ---------------------------------------------------------------------------------------------------- */

/* same[t] becomes the first tensor that is computed from frozen storages as t is, for every t that is not a view. */
pnb_status pnb_merge_constants(const pnb_graph *g, pnb_tensor *same);

/* ---- plan.c ----------------------------------------------------------------------------------------------------- */

typedef enum pnb_place_kind { PNB_NOWHERE, PNB_IN_STORAGE, PNB_IN_ARENA, PNB_IN_CONSTANTS } pnb_place_kind;

/* Where a tensor lies. */
typedef struct pnb_place {
    pnb_place_kind kind;
    uint32_t block;             /* arena, or constant block of the program's memory; of a storage: its tensor */
    uint64_t offset, bytes;     /* bytes rounded up to 16 */
    uint64_t elements;
    const pnb_storage *storage;
    bool readable;              /* an output or a storage, or a view of one */
    bool half;                  /* 16-bit floats */
    uint32_t first, last;       /* lifetime, of arena tensors */
} pnb_place;

typedef struct pnb_planned_dispatch {
    pnb_dispatch d;
    const char *op;
    int32_t choice[2]; /* as in pnb_profile_row */
    bool list_start; /* the first of a command list */
    bool barrier;    /* a barrier stands before it (never where list_start) */
} pnb_planned_dispatch;

typedef struct pnb_plan {
    pnb_error *err;
    pnb_plan_report report;
    pnb_gpu_caps caps;
    pnb_place *places; /* by tensor */
    size_t place_count;
    int32_t *order; /* nodes in the order of execution: prologue, then the rest */
    size_t order_count, prologue_nodes;
    pnb_planned_dispatch *dispatches;
    size_t dispatch_count, dispatch_capacity, prologue_dispatches;
    pnb_blocks arenas, constants;  /* constants: those that are still to be prepared, behind the memory's */
    uint64_t *recipes;             /* by tensor */
} pnb_plan;

/* memory: what constants are prepared already; NULL: none. */
pnb_status pnb_plan_make(pnb_graph *g, const pnb_gpu_caps *caps, const pnb_program_memory *memory, pnb_plan **out);
void pnb_plan_destroy(pnb_plan **plan);
/* Fails, naming the largest tensors, if arenas and constants pass `budget` (0: what the device has). `held` bytes of it are in
 * use, `missing` bytes of the plan's arenas are not among them. */
pnb_status pnb_plan_check_budget(const pnb_plan *plan, const char *name, uint64_t budget, uint64_t held, uint64_t missing);

/* ---- schedule.c: lists and barriers ----------------------------------------------------------------------------- */

enum { PNB_LIST_MAX_DISPATCHES = 24 };
void pnb_schedule(pnb_plan *plan);

/* ---- lower.c ---------------------------------------------------------------------------------------------------- */

struct pnb_lower {
    pnb_graph *g;
    pnb_plan *plan;
    const pnb_node *node;
    int32_t choice; /* made while lowering this node; -1: none */
};
void pnb_caps_baseline(pnb_gpu_caps *caps);
/* choice: the graph's, of this node. */
pnb_status pnb_lower_node(pnb_graph *g, pnb_plan *plan, const pnb_node *node, int32_t choice);

/* ---- program.c, for tests --------------------------------------------------------------------------------------- */

typedef struct pnb_program_stats {
    size_t lists, submissions; /* of one replay, as grouped now */
    uint64_t runs;
} pnb_program_stats;
pnb_program_stats pnb_program_get_stats(const pnb_program *p);

#endif
