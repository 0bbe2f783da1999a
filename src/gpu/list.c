/* Recorded command lists: dispatches, barriers, copies and timestamps, recorded once and submitted as often as wanted. */
#include "gpu/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const VkPipelineStageFlags work_stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
static const VkAccessFlags work_writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
static const VkAccessFlags work_all =
    VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

static void memory_barrier(pnb_gpu *gpu, VkCommandBuffer commands, VkPipelineStageFlags from, VkAccessFlags writes,
                           VkPipelineStageFlags to, VkAccessFlags all) {
    VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = writes, .dstAccessMask = all};
    gpu->vk.vkCmdPipelineBarrier(commands, from, to, 0, 1, &barrier, 0, NULL, 0, NULL);
}

void pnb_barrier_enter(pnb_gpu *gpu, VkCommandBuffer commands) {
    memory_barrier(gpu, commands, work_stages, work_writes, work_stages, work_all);
}

void pnb_barrier_leave(pnb_gpu *gpu, VkCommandBuffer commands) {
    memory_barrier(gpu, commands, work_stages, work_writes, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

/* ---- begin, end ------------------------------------------------------------------------------------------------- */

pnb_status pnb_gpu_list_begin(pnb_gpu *gpu, const char *name, pnb_gpu_list **out) {
    pnb_status status;
    *out = NULL;
    PNB_TRY(pnb_gpu_check(gpu));
    pnb_gpu_list *list = calloc(1, sizeof *list);
    if (!list) return pnb_fail(gpu->err, PNB_ERROR_OUT_OF_MEMORY, "list '%s': out of host memory", name ? name : "");
    list->gpu = gpu;
    snprintf(list->name, sizeof list->name, "%s", name ? name : "unnamed");
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = gpu->queue_choice.family};
    PNB_TRY_GOTO(pnb_vk_check(gpu, gpu->vk.vkCreateCommandPool(gpu->device, &pool, NULL, &list->pool), "list '%s'", list->name));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_COMMAND_POOL, (uint64_t)(uintptr_t)list->pool, list->name);
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = list->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    PNB_TRY_GOTO(pnb_vk_check(gpu, gpu->vk.vkAllocateCommandBuffers(gpu->device, &info, &list->commands), "list '%s'", list->name));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_COMMAND_BUFFER, (uint64_t)(uintptr_t)list->commands, list->name);
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                      .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT};
    PNB_TRY_GOTO(pnb_vk_check(gpu, gpu->vk.vkBeginCommandBuffer(list->commands, &begin), "list '%s'", list->name));
    pnb_barrier_enter(gpu, list->commands);
    list->ordered = true;
    *out = list;
    return PNB_OK;
fail:
    pnb_gpu_list_destroy(gpu, &list);
    return status;
}

pnb_status pnb_gpu_list_end(pnb_gpu_list *list) {
    pnb_gpu *gpu = list->gpu;
    PNB_TRY(pnb_gpu_check(gpu));
    pnb_barrier_leave(gpu, list->commands);
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkEndCommandBuffer(list->commands), "recording list '%s'", list->name));
    list->ended = true;
    gpu->stats.lists_recorded++;
    return PNB_OK;
}

void pnb_gpu_list_destroy(pnb_gpu *gpu, pnb_gpu_list **handle) {
    if (!handle || !*handle) return;
    pnb_gpu_list *list = *handle;
    pnb_gpu_wait(gpu); /* it may still run; a failure stays in the error */
    for (size_t i = 0; i < list->view_count; i++) gpu->vk.vkDestroyBufferView(gpu->device, list->views[i], NULL);
    for (size_t i = 0; i < list->set_pool_count; i++) gpu->vk.vkDestroyDescriptorPool(gpu->device, list->set_pools[i], NULL);
    for (size_t i = 0; i < list->query_pool_count; i++) gpu->vk.vkDestroyQueryPool(gpu->device, list->query_pools[i], NULL);
    if (list->pool) gpu->vk.vkDestroyCommandPool(gpu->device, list->pool, NULL);
    free(list->views);
    free(list->set_pools);
    free(list->query_pools);
    free(list);
    *handle = NULL;
}

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

static pnb_status list_memory(pnb_gpu_list *list) {
    return pnb_fail(list->gpu->err, PNB_ERROR_OUT_OF_MEMORY, "recording list '%s': out of host memory", list->name);
}

/* Texel descriptors are large on some drivers, so a list gets them from the first kernel on that wants them. */
static pnb_status add_set_pool(pnb_gpu_list *list, uint32_t texel) {
    pnb_gpu *gpu = list->gpu;
    VkDescriptorPool *grown = realloc(list->set_pools, (list->set_pool_count + 1) * sizeof *grown);
    if (!grown) return list_memory(list);
    list->set_pools = grown;
    list->uses_texels |= texel > 0;
    list->left = (pnb_sets_left){PNB_LIST_POOL_SETS, 4 * PNB_LIST_POOL_SETS, list->uses_texels ? 2 * PNB_LIST_POOL_SETS : 0};
    VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, list->left.storage},
                                    {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, list->left.texel}};
    VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = list->left.sets,
        .poolSizeCount = list->uses_texels ? 2 : 1,
        .pPoolSizes = sizes,
    };
    VkResult r = gpu->vk.vkCreateDescriptorPool(gpu->device, &info, NULL, &list->set_pools[list->set_pool_count]);
    if (r != VK_SUCCESS) list->left = (pnb_sets_left){0, 0, 0};
    PNB_TRY(pnb_vk_check(gpu, r, "descriptors of list '%s'", list->name));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_DESCRIPTOR_POOL, (uint64_t)(uintptr_t)list->set_pools[list->set_pool_count], list->name);
    list->set_pool_count++;
    return PNB_OK;
}

/* An empty set of the kernel's layout, from the newest pool. */
static pnb_status take_set(pnb_gpu_list *list, const pnb_gpu_kernel *kernel, VkDescriptorSet *set) {
    pnb_gpu *gpu = list->gpu;
    uint32_t texel = 0;
    for (uint32_t i = 0; i < kernel->desc.bindings; i++) texel += kernel->desc.texel_mask >> i & 1;
    uint32_t storage = kernel->desc.bindings - texel;
    pnb_sets_left *left = &list->left;
    if (left->sets == 0 || left->storage < storage || left->texel < texel) PNB_TRY(add_set_pool(list, texel));
    VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = list->set_pools[list->set_pool_count - 1],
        .descriptorSetCount = 1,
        .pSetLayouts = &kernel->set_layout,
    };
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkAllocateDescriptorSets(gpu->device, &info, set), "descriptors of list '%s'", list->name));
    left->sets--;
    left->storage -= storage;
    left->texel -= texel;
    return PNB_OK; /* no debug name: some drivers free sets with their pool and lose the name's memory */
}

/* Bytes of a texel view: those of the tensor, or some more behind them where the driver would compile the kernel once more
 * (quirks.c); nothing reads there. Validation takes the whole view for what is read, so with it views stay exact. */
static uint64_t view_bytes(const pnb_gpu *gpu, uint64_t bytes) {
    bool again = (bytes >> 8 & 255) == 0 && !gpu->params.validate;
    return bytes + (again ? gpu->caps.texel_padding : 0);
}

static pnb_status add_view(pnb_gpu_list *list, const pnb_gpu_binding *b, uint64_t bytes, bool half, VkBufferView *out) {
    pnb_gpu *gpu = list->gpu;
    if (list->view_count == list->view_capacity) {
        size_t capacity = list->view_capacity ? 2 * list->view_capacity : 64;
        VkBufferView *grown = realloc(list->views, capacity * sizeof *grown);
        if (!grown) return list_memory(list);
        list->views = grown;
        list->view_capacity = capacity;
    }
    VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = b->buffer->handle,
        .format = half ? VK_FORMAT_R16G16B16A16_SFLOAT : VK_FORMAT_R32G32B32A32_SFLOAT,
        .offset = b->offset,
        .range = view_bytes(gpu, bytes),
    };
    VkResult r = gpu->vk.vkCreateBufferView(gpu->device, &info, NULL, out);
    PNB_TRY(pnb_vk_check(gpu, r, "texel view of buffer '%s'", b->buffer->name));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_BUFFER_VIEW, (uint64_t)(uintptr_t)*out, b->buffer->name);
    list->views[list->view_count++] = *out;
    return PNB_OK;
}

static pnb_status check_binding(pnb_gpu_list *list, const char *what, uint32_t index, const pnb_gpu_binding *b, bool texel, bool half) {
    const pnb_gpu_caps *caps = &list->gpu->caps;
    const char *why = NULL;
    if (!b->buffer) why = "has no buffer";
    else if (b->bytes == 0) why = "has no bytes";
    else if (b->offset % caps->binding_alignment) why = "starts at an offset that the device cannot bind";
    else if (b->offset > b->buffer->bytes || b->bytes > b->buffer->bytes - b->offset) why = "reaches past the end of its buffer";
    else if (!texel && b->bytes > caps->max_binding_bytes) why = "is larger than the device can bind";
    else if (texel && (b->bytes + 15) / 16 * (half ? 2 : 1) > caps->max_texel_elements) why = "has more texels than the device can view";
    if (!why) return PNB_OK;
    return pnb_fail(list->gpu->err, PNB_ERROR_INTERNAL, "list '%s', %s: binding %u (buffer '%s', offset %llu, %llu bytes) %s", list->name,
                    what, index, b->buffer ? b->buffer->name : "", (unsigned long long)b->offset, (unsigned long long)b->bytes, why);
}

/* A descriptor set for the bindings. Ranges are rounded up to 16 bytes, so that the last vec4 of a tensor can be read. */
static pnb_status make_set(pnb_gpu_list *list, const pnb_gpu_kernel *kernel, const pnb_gpu_binding *bindings, VkDescriptorSet *set) {
    pnb_gpu *gpu = list->gpu;
    VkDescriptorBufferInfo buffers[PNB_GPU_MAX_BINDINGS];
    VkBufferView views[PNB_GPU_MAX_BINDINGS];
    VkWriteDescriptorSet writes[PNB_GPU_MAX_BINDINGS];
    PNB_TRY(take_set(list, kernel, set));
    for (uint32_t i = 0; i < kernel->desc.bindings; i++) {
        bool texel = kernel->desc.texel_mask >> i & 1, half = kernel->desc.half_mask >> i & 1;
        uint64_t bytes = (bindings[i].bytes + 15) & ~15ull;
        PNB_TRY(check_binding(list, kernel->desc.shader, i, &bindings[i], texel, half));
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = *set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = texel ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        };
        if (texel) {
            PNB_TRY(add_view(list, &bindings[i], bytes, half, &views[i]));
            writes[i].pTexelBufferView = &views[i];
        } else {
            buffers[i] = (VkDescriptorBufferInfo){bindings[i].buffer->handle, bindings[i].offset, bytes};
            writes[i].pBufferInfo = &buffers[i];
        }
    }
    gpu->vk.vkUpdateDescriptorSets(gpu->device, kernel->desc.bindings, writes, 0, NULL);
    return PNB_OK;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static pnb_status check_open(pnb_gpu_list *list) {
    PNB_TRY(pnb_gpu_check(list->gpu));
    if (list->ended) return pnb_fail(list->gpu->err, PNB_ERROR_INTERNAL, "list '%s' was already ended", list->name);
    return PNB_OK;
}

pnb_status pnb_gpu_list_dispatch(pnb_gpu_list *list, pnb_gpu_kernel *kernel, const pnb_gpu_binding *bindings, const void *push,
                                 const uint32_t groups[3], const char *label) {
    pnb_gpu *gpu = list->gpu;
    PNB_TRY(check_open(list));
    for (int i = 0; i < 3; i++) {
        if (groups[i] >= 1 && groups[i] <= gpu->caps.max_groups[i]) continue;
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "list '%s', %s: %u workgroups in dimension %d, the device takes 1 to %u",
                        list->name, kernel->desc.shader, groups[i], i, gpu->caps.max_groups[i]);
    }
    VkDescriptorSet set = VK_NULL_HANDLE;
    if (kernel->desc.bindings) PNB_TRY(make_set(list, kernel, bindings, &set));
    if (gpu->vki.CmdBeginDebugUtilsLabelEXT) {
        VkDebugUtilsLabelEXT info = {.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_LABEL_EXT,
                                     .pLabelName = label ? label : kernel->desc.shader};
        gpu->vki.CmdBeginDebugUtilsLabelEXT(list->commands, &info);
    }
    gpu->vk.vkCmdBindPipeline(list->commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
    if (set) {
        gpu->vk.vkCmdBindDescriptorSets(list->commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->layout, 0, 1, &set, 0, NULL);
    }
    if (kernel->desc.push_bytes) {
        gpu->vk.vkCmdPushConstants(list->commands, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, kernel->desc.push_bytes, push);
    }
    gpu->vk.vkCmdDispatch(list->commands, groups[0], groups[1], groups[2]);
    if (gpu->vki.CmdBeginDebugUtilsLabelEXT) gpu->vki.CmdEndDebugUtilsLabelEXT(list->commands);
    list->dispatches++;
    list->ordered = false;
    return PNB_OK;
}

pnb_status pnb_gpu_list_barrier(pnb_gpu_list *list) {
    PNB_TRY(check_open(list));
    if (!list->ordered) pnb_barrier_enter(list->gpu, list->commands);
    list->ordered = true;
    return PNB_OK;
}

pnb_status pnb_gpu_list_copy(pnb_gpu_list *list, pnb_gpu_binding from, pnb_gpu_binding to) {
    pnb_gpu *gpu = list->gpu;
    PNB_TRY(check_open(list));
    const pnb_gpu_binding *both[] = {&from, &to};
    for (int i = 0; i < 2; i++) {
        uint64_t size = both[i]->buffer ? both[i]->buffer->bytes : 0;
        if (both[i]->offset <= size && both[i]->bytes <= size - both[i]->offset && both[i]->bytes == from.bytes && from.bytes) continue;
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "list '%s': a copy of %llu bytes %s buffer '%s' (offset %llu, %llu bytes) does not fit",
                        list->name, (unsigned long long)both[i]->bytes, i ? "to" : "from", size ? both[i]->buffer->name : "",
                        (unsigned long long)both[i]->offset, (unsigned long long)size);
    }
    if (from.buffer == to.buffer && from.offset < to.offset + to.bytes && to.offset < from.offset + from.bytes) {
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "list '%s': a copy within buffer '%s' overlaps itself", list->name, from.buffer->name);
    }
    PNB_TRY(pnb_gpu_list_barrier(list));
    VkBufferCopy region = {from.offset, to.offset, from.bytes};
    gpu->vk.vkCmdCopyBuffer(list->commands, from.buffer->handle, to.buffer->handle, 1, &region);
    list->ordered = false;
    return pnb_gpu_list_barrier(list);
}

/* ---- timestamps ------------------------------------------------------------------------------------------------- */

static pnb_status add_query_pool(pnb_gpu_list *list) {
    pnb_gpu *gpu = list->gpu;
    VkQueryPool *grown = realloc(list->query_pools, (list->query_pool_count + 1) * sizeof *grown);
    if (!grown) return list_memory(list);
    list->query_pools = grown;
    VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, .queryType = VK_QUERY_TYPE_TIMESTAMP, .queryCount = PNB_LIST_QUERIES};
    VkQueryPool *pool = &list->query_pools[list->query_pool_count];
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkCreateQueryPool(gpu->device, &info, NULL, pool), "timestamps of list '%s'", list->name));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_QUERY_POOL, (uint64_t)(uintptr_t)*pool, list->name);
    list->query_pool_count++;
    gpu->vk.vkCmdResetQueryPool(list->commands, *pool, 0, PNB_LIST_QUERIES);
    return PNB_OK;
}

pnb_status pnb_gpu_list_timestamp(pnb_gpu_list *list) {
    pnb_gpu *gpu = list->gpu;
    PNB_TRY(check_open(list));
    if (gpu->caps.timestamp_ns <= 0) return PNB_OK;
    if (list->timestamps == list->query_pool_count * PNB_LIST_QUERIES) PNB_TRY(add_query_pool(list));
    gpu->vk.vkCmdWriteTimestamp(list->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, list->query_pools[list->query_pool_count - 1],
                                (uint32_t)(list->timestamps % PNB_LIST_QUERIES));
    list->timestamps++;
    return PNB_OK;
}

pnb_status pnb_gpu_list_times(pnb_gpu *gpu, pnb_gpu_list *list, double *out, size_t *count) {
    uint64_t first = 0;
    size_t room = *count;
    *count = 0;
    PNB_TRY(pnb_gpu_check(gpu));
    uint32_t bits = gpu->queue_choice.timestamp_bits;
    uint64_t mask = bits >= 64 ? UINT64_MAX : (1ull << bits) - 1; /* the counter wraps there */
    for (size_t done = 0; done < list->timestamps && done < room;) {
        uint64_t ticks[PNB_LIST_QUERIES];
        size_t n = list->timestamps - done < PNB_LIST_QUERIES ? list->timestamps - done : PNB_LIST_QUERIES;
        VkResult r = gpu->vk.vkGetQueryPoolResults(gpu->device, list->query_pools[done / PNB_LIST_QUERIES], 0, (uint32_t)n, sizeof ticks,
                                                   ticks, sizeof *ticks, VK_QUERY_RESULT_64_BIT);
        PNB_TRY(pnb_vk_check(gpu, r, "timestamps of list '%s'", list->name));
        if (r == VK_NOT_READY) {
            return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "timestamps of list '%s': it was not submitted and waited for", list->name);
        }
        if (done == 0) first = ticks[0];
        for (size_t i = 0; i < n && done < room; i++) out[done++] = (double)((ticks[i] - first) & mask) * gpu->caps.timestamp_ns;
    }
    *count = list->timestamps < room ? list->timestamps : room;
    return PNB_OK;
}
