/* From nodes to dispatches: the calls that ops make while they lower themselves, and their checks. */
#include "graph/internal.h"

#include <stdio.h>
#include <string.h>

void pnb_caps_baseline(pnb_gpu_caps *caps) {
    *caps = (pnb_gpu_caps){
        .name = "baseline device", .type = PNB_GPU_OTHER, .usable = true, .max_buffer_bytes = UINT64_C(1) << 30,
        .max_binding_bytes = UINT64_C(128) << 20, .max_texel_elements = 65536, .binding_alignment = 256,
        .max_groups = {65535, 65535, 65535}, .max_local_size = 128, .max_local_size_x = 128, .shared_bytes = 16384,
        .subgroup_size = 1};
}

const pnb_gpu_caps *pnb_lower_caps(const pnb_lower *l) { return &l->plan->caps; }
bool pnb_lower_half(const pnb_lower *l, pnb_tensor t) { return l->plan->places[t].half; }

bool pnb_lower_same_memory(const pnb_lower *l, pnb_tensor a, pnb_tensor b) {
    const pnb_place *pa = &l->plan->places[a], *pb = &l->plan->places[b];
    return pa->kind == pb->kind && pa->block == pb->block && pa->offset == pb->offset;
}

pnb_shape pnb_lower_shape(const pnb_lower *l, pnb_tensor t) { return pnb_graph_shape(l->g, t); }

pnb_status pnb_lower_fail(pnb_lower *l, pnb_status status, const char *format, ...) {
    char text[PNB_ERROR_MESSAGE_SIZE / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const pnb_node *n = l->node;
    return pnb_fail(l->g->err, status, "%s ('%s'): %s", n->op->name, pnb_graph_tensor_name(l->g, n->n_out ? n->out[0] : n->in[0]), text);
}

/* What the node may do with a tensor: 0 if it is none of its own. */
static unsigned allowed_access(const pnb_node *n, pnb_tensor t) {
    unsigned access = 0;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == t) access |= PNB_READ_WRITE;
    }
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == t) access |= n->inout >> i & 1 ? PNB_READ_WRITE : PNB_READ;
    }
    return access;
}

static pnb_status check_bindings(pnb_lower *l, const pnb_dispatch *d) {
    for (uint32_t i = 0; i < d->n_bind; i++) {
        pnb_tensor t = d->bind[i].tensor;
        if (!pnb_graph_has(l->g, t)) return pnb_lower_fail(l, PNB_ERROR_INTERNAL, "binding %u of %s has no tensor", i, d->shader);
        unsigned allowed = allowed_access(l->node, t), access = d->bind[i].access;
        if (access == 0 || (access & ~allowed) != 0) {
            return pnb_lower_fail(l, PNB_ERROR_INTERNAL, "binding %u of %s (tensor '%s') is not for this node to %s", i, d->shader,
                                  l->g->tensors[t].name, access & PNB_WRITE ? "write" : "read");
        }
        bool half = pnb_lower_half(l, t);
        if (half && access == PNB_READ && !d->bind[i].texel && !d->bind[i].half)
            return pnb_lower_fail(l, PNB_ERROR_INTERNAL, "binding %u of %s: 16-bit floats are read as texels alone", i, d->shader);
        if (d->bind[i].half && (!half || access != PNB_READ))
            return pnb_lower_fail(l, PNB_ERROR_INTERNAL, "binding %u of %s: tensor '%s' is not stored as 16-bit floats", i, d->shader,
                                  l->g->tensors[t].name);
        if (!d->bind[i].texel) continue;
        uint64_t texels = l->plan->places[t].bytes / (half ? 8 : 16);
        if (access != PNB_READ || texels > l->plan->caps.max_texel_elements) {
            return pnb_lower_fail(l, PNB_ERROR_INTERNAL, "binding %u of %s cannot be a texel buffer: %llu texels, at most %u, read only",
                                  i, d->shader, (unsigned long long)texels, l->plan->caps.max_texel_elements);
        }
    }
    return PNB_OK;
}

pnb_status pnb_lower_emit(pnb_lower *l, const pnb_dispatch *d) {
    const pnb_gpu_caps *caps = &l->plan->caps;
    pnb_plan *plan = l->plan;
    if (!d->shader || d->n_bind > PNB_GPU_MAX_BINDINGS || d->n_spec > PNB_GPU_MAX_SPEC || d->push_bytes > PNB_GPU_MAX_PUSH) {
        return pnb_lower_fail(l, PNB_ERROR_INTERNAL, "a dispatch with %u bindings, %u constants and %u push bytes is too large",
                              d->n_bind, d->n_spec, d->push_bytes);
    }
    for (int i = 0; i < 3; i++) {
        if (d->groups[i] >= 1 && d->groups[i] <= caps->max_groups[i]) continue;
        return pnb_lower_fail(l, PNB_ERROR_INTERNAL, "%s: %u workgroups in dimension %d; the device takes 1 to %u", d->shader,
                              d->groups[i], i, caps->max_groups[i]);
    }
    if (d->n_spec == 0 || d->spec[0] == 0 || d->spec[0] > caps->max_local_size || d->spec[0] > caps->max_local_size_x) {
        return pnb_lower_fail(l, PNB_ERROR_INTERNAL, "%s: a workgroup of %u invocations; the device takes 1 to %u", d->shader,
                              d->n_spec ? d->spec[0] : 0, caps->max_local_size);
    }
    PNB_TRY(check_bindings(l, d));
    PNB_TRY(pnb_reserve(l->g->err, &plan->dispatches, &plan->dispatch_capacity, plan->dispatch_count + 1, sizeof *plan->dispatches));
    plan->dispatches[plan->dispatch_count++] = (pnb_planned_dispatch){.d = *d, .op = l->node->op->name};
    return PNB_OK;
}

pnb_status pnb_lower_node(pnb_graph *g, pnb_plan *plan, const pnb_node *node, int32_t choice) {
    pnb_lower l = {.g = g, .plan = plan, .node = node, .choice = -1};
    size_t first = plan->dispatch_count;
    if (!node->op->lower) return pnb_lower_fail(&l, PNB_ERROR_INTERNAL, "this op cannot run on a device");
    PNB_TRY(node->op->lower(&l, node));
    for (size_t i = first; i < plan->dispatch_count; i++) {
        plan->dispatches[i].choice[0] = choice;
        plan->dispatches[i].choice[1] = l.choice;
    }
    return PNB_OK;
}

void pnb_groups_1d(const pnb_gpu_caps *caps, uint64_t threads, uint32_t local, uint32_t groups[3]) {
    uint64_t total = local ? (threads + local - 1) / local : threads;
    if (total == 0) total = 1;
    uint64_t rows = (total + caps->max_groups[0] - 1) / caps->max_groups[0];
    groups[0] = (uint32_t)((total + rows - 1) / rows);
    groups[1] = (uint32_t)rows;
    groups[2] = 1;
}

uint32_t pnb_local_size(const pnb_gpu_caps *caps) {
    uint32_t n = caps->is_cpu ? 64 : 256;
    if (n > caps->max_local_size) n = caps->max_local_size;
    if (n > caps->max_local_size_x) n = caps->max_local_size_x;
    return n ? n : 1;
}
