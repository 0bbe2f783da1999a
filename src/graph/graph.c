/* Building the graph: tensors, views, nodes, and the checks that give shape errors in words. */
#include "graph/internal.h"

#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pnb_status pnb_reserve(pnb_error *err, void *array, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity) return PNB_OK;
    size_t wanted = *capacity ? 2 * *capacity : 16;
    if (wanted < need) wanted = need;
    void *old;
    memcpy(&old, array, sizeof old); /* array points to a pointer of another type */
    void *grown = wanted > SIZE_MAX / size ? NULL : realloc(old, wanted * size);
    if (!grown) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "out of host memory: could not get %zu bytes", wanted * size);
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return PNB_OK;
}

char *pnb_copy_text(pnb_error *err, const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = malloc(n);
    if (!copy) pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "out of host memory");
    else memcpy(copy, text, n);
    return copy;
}

pnb_status pnb_graph_create(pnb_error *err, pnb_gpu *gpu, const char *name, pnb_graph **out) {
    *out = NULL;
    pnb_graph *g = calloc(1, sizeof *g);
    if (!g) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "graph '%s': out of host memory", name);
    g->err = err;
    g->gpu = gpu;
    g->open_segment = g->open_choice = -1;
    if (gpu) g->caps = *pnb_gpu_get_caps(gpu);
    else pnb_caps_baseline(&g->caps);
    g->name = pnb_copy_text(err, name);
    if (!g->name) {
        free(g);
        return PNB_ERROR_OUT_OF_MEMORY;
    }
    *out = g;
    return PNB_OK;
}

void pnb_graph_destroy(pnb_graph **graph) {
    pnb_graph *g = graph ? *graph : NULL;
    if (!g) return;
    for (size_t i = 0; i < g->tensor_count; i++) free(g->tensors[i].name);
    for (size_t i = 0; i < g->segment_count; i++) free(g->segments[i].name);
    free(g->tensors);
    free(g->nodes);
    free(g->segments);
    free(g->bound);
    pnb_choice_made_free(g->choices, g->choice_count);
    pnb_tables_release(g->tables);
    free(g->name);
    free(g);
    *graph = NULL;
}

pnb_error *pnb_graph_error(pnb_graph *g) { return g->err; }
size_t pnb_graph_node_count(const pnb_graph *g) { return g->node_count; }
bool pnb_graph_has(const pnb_graph *g, pnb_tensor t) { return t >= 0 && (size_t)t < g->tensor_count; }

pnb_status pnb_graph_check(pnb_graph *g, const char *op, const char *role, pnb_tensor t) {
    if (t == PNB_NONE) return pnb_fail(g->err, PNB_ERROR_USAGE, "%s: %s is missing", op, role);
    if (!pnb_graph_has(g, t)) {
        return pnb_fail(g->err, PNB_ERROR_USAGE, "%s: %s (number %d) is not a tensor of graph '%s', which has %zu", op, role, t,
                        g->name, g->tensor_count);
    }
    return PNB_OK;
}

const pnb_node *pnb_graph_maker(const pnb_graph *g, pnb_tensor t) {
    while (g->tensors[t].view == PNB_VIEW_RESHAPE) t = g->tensors[t].parent;
    if (g->tensors[t].view != PNB_NOT_A_VIEW || g->tensors[t].node < 0) return NULL;
    const pnb_node *n = &g->nodes[g->tensors[t].node].n;
    return n->out[0] == t ? n : NULL;
}

bool pnb_graph_constant(const pnb_graph *g, pnb_tensor t) { return g->tensors[t].constant; }
bool pnb_graph_computed(const pnb_graph *g, pnb_tensor t) { return g->tensors[t].view == PNB_NOT_A_VIEW && g->tensors[t].node >= 0; }
bool pnb_graph_is_half(const pnb_graph *g, pnb_tensor t) { return g->tensors[t].half; }
bool pnb_graph_narrows(const pnb_graph *g) { return g->narrow; }

bool pnb_graph_narrow(pnb_graph *g, bool narrow) {
    bool before = g->narrow;
    g->narrow = narrow;
    return before;
}

pnb_tensor pnb_graph_user(const pnb_graph *g, const pnb_op *op, pnb_tensor x, const void *attr, size_t attr_bytes) {
    for (size_t i = g->node_count; i-- > 0;) {
        const pnb_node *n = &g->nodes[i].n;
        if (n->op != op || n->n_in != 1 || n->in[0] != x) continue;
        if (attr_bytes == 0 || memcmp(n->attr, attr, attr_bytes) == 0) return n->out[0];
    }
    return PNB_NONE;
}

pnb_tensor pnb_graph_root(const pnb_graph *g, pnb_tensor t, uint64_t *offset) {
    *offset = g->tensors[t].offset;
    return g->tensors[t].root;
}

bool pnb_graph_joinable(const pnb_graph *g, pnb_tensor t) {
    const pnb_tensor_info *info = &g->tensors[t];
    if (info->output || info->constant) return false;
    while (g->tensors[t].view == PNB_VIEW_RESHAPE) t = g->tensors[t].parent;
    const pnb_tensor_info *made = &g->tensors[info->root];
    return pnb_graph_computed(g, t) && made->node >= 0 && !made->output; /* a joined tensor's root is made by no node */
}

pnb_shape pnb_graph_shape(const pnb_graph *g, pnb_tensor t) {
    return pnb_graph_has(g, t) ? g->tensors[t].shape : (pnb_shape){0, {1, 1, 1, 1}};
}

const char *pnb_graph_tensor_name(const pnb_graph *g, pnb_tensor t) { return pnb_graph_has(g, t) ? g->tensors[t].name : "none"; }

void pnb_graph_set_name(pnb_graph *g, pnb_tensor t, const char *name) {
    if (!pnb_graph_has(g, t)) return;
    char *copy = pnb_copy_text(NULL, name);
    if (!copy) return; /* a name is a convenience: the old one stays */
    free(g->tensors[t].name);
    g->tensors[t].name = copy;
}

pnb_status pnb_graph_output(pnb_graph *g, pnb_tensor t) {
    PNB_TRY(pnb_graph_check(g, "output", "tensor", t));
    if (g->tensors[t].half) return pnb_fail(g->err, PNB_ERROR_INTERNAL, "output: '%s' is stored as 16-bit floats", g->tensors[t].name);
    g->tensors[t].output = true;
    return PNB_OK;
}

pnb_status pnb_graph_stop(pnb_graph *g, pnb_tensor t) {
    PNB_TRY(pnb_graph_check(g, "stop", "tensor", t));
    g->tensors[t].stop = true;
    return PNB_OK;
}

/* Append a tensor; takes a copy of name. */
static pnb_status add_tensor(pnb_graph *g, pnb_shape shape, const char *name, pnb_tensor *out) {
    PNB_TRY(pnb_reserve(g->err, &g->tensors, &g->tensor_capacity, g->tensor_count + 1, sizeof *g->tensors));
    char *copy = pnb_copy_text(g->err, name);
    if (!copy) return PNB_ERROR_OUT_OF_MEMORY;
    for (uint32_t i = shape.rank; i < 4; i++) shape.d[i] = 1;
    pnb_tensor t = (pnb_tensor)g->tensor_count++;
    g->tensors[t] = (pnb_tensor_info){
        .shape = shape, .name = copy, .node = -1, .parent = PNB_NONE, .root = t, .last_write = -1};
    *out = t;
    return PNB_OK;
}

/* The tensor of a storage that is part of a group: a view of the group's. */
static pnb_status bind_part(pnb_graph *g, const pnb_storage *s, pnb_storage *group, uint64_t offset, pnb_tensor *out) {
    pnb_tensor all, rows;
    pnb_shape shape = pnb_storage_shape(s);
    PNB_TRY(pnb_graph_bind(g, group, &all));
    PNB_TRY(pnb_graph_slice0(g, all, (uint32_t)(offset / 4), (uint32_t)pnb_shape_count(shape), &rows));
    PNB_TRY(pnb_graph_reshape(g, rows, shape, out));
    char *name = pnb_copy_text(g->err, pnb_storage_name(s));
    if (!name) return PNB_ERROR_OUT_OF_MEMORY;
    free(g->tensors[*out].name);
    g->tensors[*out].name = name;
    return PNB_OK;
}

pnb_status pnb_graph_bind(pnb_graph *g, pnb_storage *s, pnb_tensor *out) {
    *out = PNB_NONE;
    if (!s) return pnb_fail(g->err, PNB_ERROR_USAGE, "graph '%s': bind: no storage was given", g->name);
    for (size_t i = g->bound_count; i-- > 0;) {
        if (g->tensors[g->bound[i]].storage == s) {
            *out = g->bound[i];
            return PNB_OK;
        }
    }
    uint64_t offset;
    pnb_storage *group = pnb_storage_group(s, &offset);
    PNB_TRY(group ? bind_part(g, s, group, offset, out) : add_tensor(g, pnb_storage_shape(s), pnb_storage_name(s), out));
    PNB_TRY(pnb_reserve(g->err, &g->bound, &g->bound_capacity, g->bound_count + 1, sizeof *g->bound));
    g->tensors[*out].storage = s;
    g->tensors[*out].constant = pnb_storage_get_kind(s) == PNB_STORAGE_FROZEN;
    g->bound[g->bound_count++] = *out;
    return PNB_OK;
}

pnb_status pnb_graph_add_view(pnb_graph *g, pnb_view_kind kind, pnb_tensor parent, pnb_shape shape, uint64_t offset,
                              uint32_t begin, pnb_tensor *out) {
    char name[64];
    snprintf(name, sizeof name, "%.50s.view", g->tensors[parent].name);
    PNB_TRY(add_tensor(g, shape, name, out));
    pnb_tensor_info *v = &g->tensors[*out], *p = &g->tensors[parent];
    v->view = kind;
    v->parent = parent;
    v->root = p->root;
    v->offset = p->offset + offset;
    v->begin = begin;
    v->constant = p->constant;
    v->half = p->half;
    return PNB_OK;
}

pnb_status pnb_graph_reshape(pnb_graph *g, pnb_tensor x, pnb_shape shape, pnb_tensor *out) {
    *out = PNB_NONE;
    PNB_TRY(pnb_graph_check(g, "reshape", "input", x));
    PNB_TRY(pnb_shape_check(g->err, "reshape", shape));
    pnb_shape old = g->tensors[x].shape;
    if (pnb_shape_count(old) != pnb_shape_count(shape)) {
        char a[48], b[48];
        return pnb_fail(g->err, PNB_ERROR_USAGE, "reshape: '%s' %s has %llu elements, %s has %llu", g->tensors[x].name,
                        pnb_shape_text(old, a), (unsigned long long)pnb_shape_count(old), pnb_shape_text(shape, b),
                        (unsigned long long)pnb_shape_count(shape));
    }
    return pnb_graph_add_view(g, PNB_VIEW_RESHAPE, x, shape, 0, 0, out);
}

pnb_status pnb_graph_slice0(pnb_graph *g, pnb_tensor x, uint32_t begin, uint32_t count, pnb_tensor *out) {
    *out = PNB_NONE;
    PNB_TRY(pnb_graph_check(g, "slice0", "input", x));
    pnb_shape s = g->tensors[x].shape;
    if (count == 0 || begin > s.d[0] || count > s.d[0] - begin) {
        char text[48];
        return pnb_fail(g->err, PNB_ERROR_USAGE, "slice0: rows %u to %llu of '%s' %s, which has rows 0 to %u", begin,
                        (unsigned long long)begin + count, g->tensors[x].name, pnb_shape_text(s, text), s.d[0]);
    }
    uint64_t offset = 4 * (pnb_shape_count(s) / s.d[0]) * begin;
    if (g->tensors[x].half) return pnb_fail(g->err, PNB_ERROR_INTERNAL, "slice0: '%s' is stored as 16-bit floats", g->tensors[x].name);
    if ((g->tensors[x].offset + offset) % PNB_MEMORY_ALIGNMENT != 0) return pnb_slice(g, x, 0, begin, count, out);
    s.d[0] = count;
    return pnb_graph_add_view(g, PNB_VIEW_SLICE0, x, s, offset, begin, out);
}

pnb_status pnb_graph_segment_begin(pnb_graph *g, const char *name) {
    if (g->open_segment >= 0) {
        return pnb_fail(g->err, PNB_ERROR_USAGE, "graph '%s': segment '%s' begins inside segment '%s'; segments do not nest",
                        g->name, name, g->segments[g->open_segment].name);
    }
    PNB_TRY(pnb_reserve(g->err, &g->segments, &g->segment_capacity, g->segment_count + 1, sizeof *g->segments));
    char *copy = pnb_copy_text(g->err, name);
    if (!copy) return PNB_ERROR_OUT_OF_MEMORY;
    pnb_tensor first = (pnb_tensor)g->tensor_count;
    g->segments[g->segment_count] = (pnb_segment){.name = copy, .first = first, .end = first};
    g->open_segment = (int32_t)g->segment_count++;
    return PNB_OK;
}

pnb_status pnb_graph_segment_end(pnb_graph *g) {
    if (g->open_segment < 0) return pnb_fail(g->err, PNB_ERROR_USAGE, "graph '%s': no segment is open", g->name);
    g->segments[g->open_segment].end = (pnb_tensor)g->tensor_count;
    g->open_segment = -1;
    return PNB_OK;
}

/* The checks of pnb_graph_add that concern inputs. */
static pnb_status check_inputs(pnb_graph *g, const pnb_op *op, const pnb_tensor *in, uint32_t n_in, uint32_t inout) {
    if (n_in < 32 && inout >> n_in) return pnb_fail(g->err, PNB_ERROR_INTERNAL, "%s: writes an input that it does not have", op->name);
    for (uint32_t i = 0; i < n_in; i++) {
        if (in[i] == PNB_NONE && !(inout >> i & 1)) continue;
        char role[32];
        snprintf(role, sizeof role, "input %u", i);
        PNB_TRY(pnb_graph_check(g, op->name, role, in[i]));
        if (g->tensors[in[i]].half && !(op->reads_half >> i & 1))
            return pnb_fail(g->err, PNB_ERROR_INTERNAL, "%s: input %u ('%s') is stored as 16-bit floats, which it does not read", op->name,
                            i, g->tensors[in[i]].name);
        if (!(inout >> i & 1)) continue;
        const pnb_tensor_info *root = &g->tensors[g->tensors[in[i]].root];
        if (!root->storage || root->constant) {
            return pnb_fail(g->err, PNB_ERROR_USAGE, "%s: input %u ('%s') is changed in place, so it must be a variable storage; it is %s",
                            op->name, i, g->tensors[in[i]].name, root->storage ? "frozen" : "an intermediate tensor");
        }
    }
    return PNB_OK;
}

/* Append the outputs of node number `node`. */
static pnb_status add_outputs(pnb_graph *g, const pnb_op *op, pnb_node *n, int32_t node, const pnb_shape *shapes, bool constant) {
    for (uint32_t i = 0; i < n->n_out; i++) {
        char name[64];
        snprintf(name, sizeof name, i ? "%.40s %d.%u" : "%.40s %d", op->name, (int)node, i);
        PNB_TRY(add_tensor(g, shapes[i], name, &n->out[i]));
        g->tensors[n->out[i]].node = node;
        g->tensors[n->out[i]].constant = constant;
        g->tensors[n->out[i]].half = i == 0 && op->makes_half;
    }
    return PNB_OK;
}

pnb_status pnb_graph_add(pnb_graph *g, const pnb_op *op, const pnb_tensor *in, uint32_t n_in, uint32_t inout, const void *attr,
                         size_t attr_bytes, const pnb_shape *out_shapes, uint32_t n_out, pnb_tensor *out, uint32_t n_wanted) {
    for (uint32_t i = 0; i < n_wanted; i++) out[i] = PNB_NONE;
    if (n_in > PNB_NODE_MAX_IN || n_out > PNB_NODE_MAX_OUT || attr_bytes > PNB_NODE_ATTR_BYTES || n_wanted > n_out) {
        return pnb_fail(g->err, PNB_ERROR_INTERNAL, "%s: a node with %u inputs, %u outputs, %zu bytes of attributes is too large",
                        op->name, n_in, n_out, attr_bytes);
    }
    PNB_TRY(check_inputs(g, op, in, n_in, inout));
    for (uint32_t i = 0; i < n_out; i++) PNB_TRY(pnb_shape_check(g->err, op->name, out_shapes[i]));
    PNB_TRY(pnb_reserve(g->err, &g->nodes, &g->node_capacity, g->node_count + 1, sizeof *g->nodes));

    pnb_graph_node node = {.n = {.op = op, .n_in = n_in, .n_out = n_out, .inout = inout}, .segment = g->open_segment, .narrow = g->narrow};
    node.choice = pnb_graph_choice_of(g, op);
    node.constant = !op->impure && inout == 0;
    for (uint32_t i = 0; i < PNB_NODE_MAX_IN; i++) node.n.in[i] = i < n_in ? in[i] : PNB_NONE;
    for (uint32_t i = 0; i < PNB_NODE_MAX_OUT; i++) node.n.out[i] = PNB_NONE;
    for (uint32_t i = 0; i < n_in; i++) node.constant = node.constant && (in[i] == PNB_NONE || g->tensors[in[i]].constant);
    if (attr_bytes) memcpy(node.n.attr, attr, attr_bytes);

    int32_t number = (int32_t)g->node_count;
    PNB_TRY(add_outputs(g, op, &node.n, number, out_shapes, node.constant));
    for (uint32_t i = 0; i < n_in; i++) {
        if (inout >> i & 1) g->tensors[g->tensors[in[i]].root].last_write = number;
    }
    g->nodes[g->node_count++] = node;
    for (uint32_t i = 0; i < n_wanted; i++) out[i] = node.n.out[i];
    return PNB_OK;
}

/* All that lies in `part` lies in `whole` from now on. */
static void join_part(pnb_graph *g, pnb_tensor part, pnb_tensor whole, uint64_t offset) {
    for (size_t t = 0; t < g->tensor_count; t++) {
        pnb_tensor_info *info = &g->tensors[t];
        if (info->root != part) continue;
        info->root = whole;
        info->offset += offset;
    }
}

pnb_status pnb_graph_join(pnb_graph *g, const pnb_tensor *parts, const uint64_t *offsets, size_t n, uint32_t elements, pnb_tensor *out) {
    *out = PNB_NONE;
    PNB_TRY(pnb_shape_check(g->err, "join", pnb_shape1(elements)));
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        PNB_TRY(pnb_graph_check(g, "join", "part", parts[i]));
        if (!pnb_graph_joinable(g, parts[i]) || offsets[i] < end || offsets[i] % PNB_MEMORY_ALIGNMENT) {
            return pnb_fail(g->err, PNB_ERROR_INTERNAL, "join: '%s' cannot lie at byte %llu of it", g->tensors[parts[i]].name,
                            (unsigned long long)offsets[i]);
        }
        end = offsets[i] + pnb_shape_bytes(g->tensors[parts[i]].shape);
        for (size_t k = 0; k < i; k++) {
            if (g->tensors[parts[k]].root != g->tensors[parts[i]].root) continue;
            return pnb_fail(g->err, PNB_ERROR_INTERNAL, "join: '%s' is joined twice", g->tensors[parts[i]].name);
        }
    }
    if (end > pnb_shape_bytes(pnb_shape1(elements)))
        return pnb_fail(g->err, PNB_ERROR_INTERNAL, "join: parts end at byte %llu of %u values", (unsigned long long)end, elements);
    PNB_TRY(add_tensor(g, pnb_shape1(elements), "join", out));
    for (size_t i = 0; i < n; i++) join_part(g, g->tensors[parts[i]].root, *out, offsets[i]);
    return PNB_OK;
}
