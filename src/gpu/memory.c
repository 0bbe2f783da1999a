/* Device memory: buffers suballocated from large blocks, so that a driver's limit on allocations is never met. */
#include "base/str.h"
#include "gpu/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (64ull << 20) /* a buffer of more than half of this gets a block of its own */

static const VkBufferUsageFlags buffer_usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |
                                               VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

/* ---- memory types ----------------------------------------------------------------------------------------------- */

/* The allowed type with most of the wanted flags, all of `need` among them; UINT32_MAX: none. Earlier types win ties. */
static uint32_t find_type(const pnb_gpu *gpu, uint32_t allowed, VkMemoryPropertyFlags need, VkMemoryPropertyFlags want,
                          VkMemoryPropertyFlags avoid) {
    uint32_t best = UINT32_MAX;
    int best_score = -100;
    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount && i < VK_MAX_MEMORY_TYPES; i++) {
        VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[i].propertyFlags;
        if (!(allowed & (1u << i)) || (flags & need) != need) continue;
        int score = 0;
        for (uint32_t bit = 1; bit <= VK_MEMORY_PROPERTY_HOST_CACHED_BIT; bit *= 2) {
            if (flags & bit) score += (want & bit ? 2 : 0) - (avoid & bit ? 2 : 0);
        }
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

static const VkMemoryPropertyFlags host_flags =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

/* Where the device's memory is the host's, both use it directly; elsewhere the plain device-local type is the fast one. */
static uint32_t buffer_type(const pnb_gpu *gpu, uint32_t allowed) {
    bool unified = gpu->caps.is_cpu || gpu->caps.type == PNB_GPU_INTEGRATED;
    return find_type(gpu, allowed, 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | (unified ? host_flags : 0), unified ? 0 : host_flags);
}

/* ---- blocks ----------------------------------------------------------------------------------------------------- */

static bool free_insert(pnb_block *block, size_t at, pnb_range range) {
    if (block->free_count == block->free_capacity) {
        size_t capacity = block->free_capacity ? 2 * block->free_capacity : 8;
        pnb_range *grown = realloc(block->free, capacity * sizeof *grown);
        if (!grown) return false;
        block->free = grown;
        block->free_capacity = capacity;
    }
    memmove(block->free + at + 1, block->free + at, (block->free_count - at) * sizeof range);
    block->free[at] = range;
    block->free_count++;
    return true;
}

static void free_remove(pnb_block *block, size_t at) {
    block->free_count--;
    memmove(block->free + at, block->free + at + 1, (block->free_count - at) * sizeof *block->free);
}

/* Give a range back and join it with its neighbours. A range for which no memory can be had is lost until the block goes. */
static void block_release(pnb_block *block, pnb_range range) {
    size_t at = 0;
    while (at < block->free_count && block->free[at].offset < range.offset) at++;
    if (at > 0 && block->free[at - 1].offset + block->free[at - 1].bytes == range.offset) {
        at--;
        block->free[at].bytes += range.bytes;
    } else if (!free_insert(block, at, range)) {
        return;
    }
    if (at + 1 < block->free_count && block->free[at].offset + block->free[at].bytes == block->free[at + 1].offset) {
        block->free[at].bytes += block->free[at + 1].bytes;
        free_remove(block, at + 1);
    }
}

/* Best fit. The range includes the gap that alignment costs in front. */
static bool block_take(pnb_block *block, uint64_t bytes, uint64_t alignment, pnb_range *out, uint64_t *start) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < block->free_count; i++) {
        uint64_t aligned = (block->free[i].offset + alignment - 1) / alignment * alignment;
        if (aligned + bytes > block->free[i].offset + block->free[i].bytes) continue;
        if (best == SIZE_MAX || block->free[i].bytes < block->free[best].bytes) best = i;
    }
    if (best == SIZE_MAX) return false;
    pnb_range *from = &block->free[best];
    *start = (from->offset + alignment - 1) / alignment * alignment;
    *out = (pnb_range){from->offset, *start + bytes - from->offset};
    from->offset += out->bytes;
    from->bytes -= out->bytes;
    if (from->bytes == 0) free_remove(block, best);
    return true;
}

static bool block_empty(const pnb_block *block) { return block->free_count == 1 && block->free[0].bytes == block->bytes; }

static void block_destroy(pnb_gpu *gpu, pnb_block *block) {
    if (block->memory) {
        gpu->vk.vkFreeMemory(gpu->device, block->memory, NULL);
        gpu->stats.allocated_bytes -= block->bytes;
    }
    free(block->free);
    free(block);
}

static bool injected_failure(pnb_gpu *gpu) { return gpu->fail_allocation_in && --gpu->fail_allocation_in == 0; }

/* A new block; *result tells why there is none. NULL with VK_SUCCESS: the host has no memory. */
static pnb_block *block_create(pnb_gpu *gpu, uint64_t bytes, uint32_t type, VkResult *result) {
    pnb_block *block = calloc(1, sizeof *block);
    *result = VK_SUCCESS;
    if (!block) return NULL;
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = bytes, .memoryTypeIndex = type};
    *result = injected_failure(gpu) ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                                    : gpu->vk.vkAllocateMemory(gpu->device, &info, NULL, &block->memory);
    if (*result != VK_SUCCESS) {
        block->memory = VK_NULL_HANDLE;
        block_destroy(gpu, block);
        return NULL;
    }
    block->bytes = bytes;
    block->type = type;
    gpu->stats.allocations++;
    gpu->stats.allocated_bytes += bytes;
    if (gpu->stats.allocated_bytes > gpu->stats.peak_bytes) gpu->stats.peak_bytes = gpu->stats.allocated_bytes;
    VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[type].propertyFlags;
    void *mapped = NULL;
    if (!gpu->force_staging && (flags & host_flags) == host_flags &&
        gpu->vk.vkMapMemory(gpu->device, block->memory, 0, VK_WHOLE_SIZE, 0, &mapped) == VK_SUCCESS) {
        block->mapped = mapped;
    }
    char name[64];
    snprintf(name, sizeof name, "block of %llu bytes", (unsigned long long)bytes);
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_DEVICE_MEMORY, (uint64_t)(uintptr_t)block->memory, name);
    if (!free_insert(block, 0, (pnb_range){0, bytes})) {
        block_destroy(gpu, block);
        return NULL;
    }
    return block;
}

static bool add_block(pnb_gpu *gpu, pnb_block *block) {
    if (gpu->block_count == gpu->block_capacity) {
        size_t capacity = gpu->block_capacity ? 2 * gpu->block_capacity : 16;
        pnb_block **grown = realloc(gpu->blocks, capacity * sizeof *grown);
        if (!grown) return false;
        gpu->blocks = grown;
        gpu->block_capacity = capacity;
    }
    gpu->blocks[gpu->block_count++] = block;
    return true;
}

/* What may still be taken from the device. */
static uint64_t room_left(const pnb_gpu *gpu) {
    uint64_t limit = gpu->params.memory_limit ? gpu->params.memory_limit : UINT64_MAX;
    return limit > gpu->stats.allocated_bytes ? limit - gpu->stats.allocated_bytes : 0;
}

static pnb_status out_of_memory(pnb_gpu *gpu, const char *name, uint64_t bytes, const char *why) {
    char wanted[PNB_BYTES_TEXT_SIZE], used[PNB_BYTES_TEXT_SIZE];
    return pnb_fail(gpu->err, PNB_ERROR_OUT_OF_MEMORY,
                    "buffer '%s': no %s of device memory (%s), %s are in use%s; use smaller images, fewer of them at once, or "
                    "checkpointing",
                    name, pnb_bytes_text(bytes, wanted), why, pnb_bytes_text(gpu->stats.allocated_bytes, used),
                    gpu->params.memory_limit ? " under the limit that was set" : "");
}

/* A block that buffers share. Under a limit it is small, so that what a block keeps free is little of the limit. */
static uint64_t shared_block(const pnb_gpu *gpu) {
    uint64_t bytes = BLOCK_BYTES, device = gpu->caps.memory_bytes / 16, limit = gpu->params.memory_limit / 64;
    if (device && device < bytes) bytes = device;
    return limit && limit < bytes ? limit : bytes;
}

/* A block that can hold the requirement: small ones share, large ones stand alone. */
static pnb_status new_block(pnb_gpu *gpu, const char *name, const VkMemoryRequirements *need, uint32_t type, pnb_block **out) {
    uint64_t room = room_left(gpu), standard = shared_block(gpu);
    if (need->size > room) {
        char why[96], left[PNB_BYTES_TEXT_SIZE], limit[PNB_BYTES_TEXT_SIZE];
        snprintf(why, sizeof why, "%s of the limit of %s are left", pnb_bytes_text(room, left),
                 pnb_bytes_text(gpu->params.memory_limit, limit));
        return out_of_memory(gpu, name, need->size, why);
    }
    uint64_t bytes = need->size > standard / 2 || standard > room ? need->size : standard;
    VkResult r;
    pnb_block *block = block_create(gpu, bytes, type, &r);
    if (!block && r != VK_SUCCESS && r != VK_ERROR_DEVICE_LOST && bytes > need->size) {
        block = block_create(gpu, need->size, type, &r); /* a nearly full device may still have this much */
    }
    if (!block) {
        if (r == VK_ERROR_DEVICE_LOST) return pnb_vk_check(gpu, r, "buffer '%s'", name);
        return out_of_memory(gpu, name, need->size, r == VK_SUCCESS ? "the host has none" : pnb_vk_result_text(r));
    }
    if (!add_block(gpu, block)) {
        block_destroy(gpu, block);
        return out_of_memory(gpu, name, need->size, "the host has none");
    }
    *out = block;
    return PNB_OK;
}

/* Find a place for the requirement in the blocks there are, or in a new one. */
static pnb_status place(pnb_gpu *gpu, const VkMemoryRequirements *need, pnb_gpu_buffer *buffer, uint64_t *start) {
    uint32_t type = buffer_type(gpu, need->memoryTypeBits);
    if (type == UINT32_MAX) return out_of_memory(gpu, buffer->name, need->size, "the device has no fitting kind of memory");
    for (size_t i = 0; i < gpu->block_count; i++) {
        pnb_block *block = gpu->blocks[i];
        if (block->type != type || (gpu->force_staging && block->mapped)) continue;
        if (block_take(block, need->size, need->alignment, &buffer->place, start)) {
            buffer->block = block;
            return PNB_OK;
        }
    }
    PNB_TRY(new_block(gpu, buffer->name, need, type, &buffer->block));
    if (!block_take(buffer->block, need->size, need->alignment, &buffer->place, start)) {
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "buffer '%s': a new block cannot hold it", buffer->name);
    }
    return PNB_OK;
}

/* Free the blocks that nothing uses, except one of the standard size kept for the next buffer. */
static void sweep_blocks(pnb_gpu *gpu) {
    bool kept = false;
    for (size_t i = 0; i < gpu->block_count;) {
        pnb_block *block = gpu->blocks[i];
        if (!block_empty(block) || (!kept && block->bytes <= BLOCK_BYTES)) {
            kept |= block_empty(block);
            i++;
            continue;
        }
        block_destroy(gpu, block);
        gpu->blocks[i] = gpu->blocks[--gpu->block_count];
    }
}

/* ---- buffers ---------------------------------------------------------------------------------------------------- */

static pnb_status make_buffer(pnb_gpu *gpu, uint64_t bytes, VkBufferUsageFlags usage, const char *name, VkBuffer *out) {
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = bytes, .usage = usage, .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    VkResult r = gpu->vk.vkCreateBuffer(gpu->device, &info, NULL, out);
    if (r != VK_SUCCESS) *out = VK_NULL_HANDLE;
    PNB_TRY(pnb_vk_check(gpu, r, "creating buffer '%s' of %llu bytes", name, (unsigned long long)bytes));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_BUFFER, (uint64_t)(uintptr_t)*out, name);
    return PNB_OK;
}

static void release_buffer(pnb_gpu *gpu, pnb_gpu_buffer *buffer) {
    if (buffer->handle) gpu->vk.vkDestroyBuffer(gpu->device, buffer->handle, NULL);
    if (buffer->place.bytes) {
        block_release(buffer->block, buffer->place);
        gpu->stats.buffer_bytes -= buffer->place.bytes;
    }
    free(buffer);
    sweep_blocks(gpu);
}

pnb_status pnb_gpu_buffer_create(pnb_gpu *gpu, uint64_t bytes, const char *name, pnb_gpu_buffer **out) {
    pnb_status status;
    uint64_t start = 0;
    *out = NULL;
    if (!name) name = "unnamed";
    PNB_TRY(pnb_gpu_check(gpu));
    if (bytes == 0) return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "buffer '%s': it has no bytes", name);
    if (bytes > gpu->caps.max_buffer_bytes) {
        char wanted[PNB_BYTES_TEXT_SIZE], most[PNB_BYTES_TEXT_SIZE];
        return pnb_fail(gpu->err, PNB_ERROR_OUT_OF_MEMORY, "buffer '%s': %s are more than the device gives in one piece (%s)", name,
                        pnb_bytes_text(bytes, wanted), pnb_bytes_text(gpu->caps.max_buffer_bytes, most));
    }
    pnb_gpu_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer) return pnb_fail(gpu->err, PNB_ERROR_OUT_OF_MEMORY, "buffer '%s': out of host memory", name);
    buffer->bytes = (bytes + 15) & ~15ull;
    snprintf(buffer->name, sizeof buffer->name, "%s", name);
    PNB_TRY_GOTO(make_buffer(gpu, buffer->bytes + gpu->caps.texel_padding, buffer_usage, name, &buffer->handle));
    VkMemoryRequirements need;
    gpu->vk.vkGetBufferMemoryRequirements(gpu->device, buffer->handle, &need);
    PNB_TRY_GOTO(place(gpu, &need, buffer, &start));
    gpu->stats.buffer_bytes += buffer->place.bytes;
    if (gpu->stats.buffer_bytes > gpu->stats.buffer_peak_bytes) gpu->stats.buffer_peak_bytes = gpu->stats.buffer_bytes;
    VkResult r = gpu->vk.vkBindBufferMemory(gpu->device, buffer->handle, buffer->block->memory, start);
    PNB_TRY_GOTO(pnb_vk_check(gpu, r, "binding memory to buffer '%s'", name));
    if (buffer->block->mapped) buffer->mapped = buffer->block->mapped + start;
    PNB_TRY_GOTO(pnb_gpu_fill_zero(gpu, buffer, 0, buffer->bytes));
    gpu->stats.allocations++;
    *out = buffer;
    return PNB_OK;
fail:
    release_buffer(gpu, buffer);
    return status;
}

void pnb_gpu_buffer_destroy(pnb_gpu *gpu, pnb_gpu_buffer **buffer) {
    if (!buffer || !*buffer) return;
    pnb_gpu_wait(gpu); /* work that was submitted may still use it; a failure stays in the error */
    release_buffer(gpu, *buffer);
    *buffer = NULL;
}

uint64_t pnb_gpu_buffer_bytes(const pnb_gpu_buffer *buffer) { return buffer->bytes; }

/* ---- staging ---------------------------------------------------------------------------------------------------- */

#define STAGING_BYTES (8ull << 20)

static pnb_status staging_open(pnb_gpu *gpu) {
    pnb_staging *s = &gpu->staging;
    VkMemoryRequirements need;
    void *mapped = NULL;
    if (s->mapped) return PNB_OK;
    if (!s->buffer) {
        PNB_TRY(make_buffer(gpu, STAGING_BYTES, VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT, "staging",
                            &s->buffer));
    }
    gpu->vk.vkGetBufferMemoryRequirements(gpu->device, s->buffer, &need);
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = need.size,
        .memoryTypeIndex = find_type(gpu, need.memoryTypeBits, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                                     VK_MEMORY_PROPERTY_HOST_CACHED_BIT, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT),
    };
    if (info.memoryTypeIndex == UINT32_MAX) {
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "staging: the device has no coherent host memory");
    }
    if (!s->memory) {
        VkResult r = injected_failure(gpu) ? VK_ERROR_OUT_OF_DEVICE_MEMORY : gpu->vk.vkAllocateMemory(gpu->device, &info, NULL, &s->memory);
        if (r != VK_SUCCESS) s->memory = VK_NULL_HANDLE;
        PNB_TRY(pnb_vk_check(gpu, r, "staging buffer of %llu bytes", (unsigned long long)need.size));
        PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkBindBufferMemory(gpu->device, s->buffer, s->memory, 0), "staging buffer"));
    }
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkMapMemory(gpu->device, s->memory, 0, VK_WHOLE_SIZE, 0, &mapped), "mapping the staging buffer"));
    s->mapped = mapped;
    s->bytes = STAGING_BYTES;
    return PNB_OK;
}

static pnb_status check_range(pnb_gpu *gpu, const pnb_gpu_buffer *buffer, uint64_t offset, uint64_t bytes, const char *what) {
    PNB_TRY(pnb_gpu_check(gpu));
    if (offset > buffer->bytes || bytes > buffer->bytes - offset) {
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "%s: bytes %llu to %llu of buffer '%s', which has %llu", what,
                        (unsigned long long)offset, (unsigned long long)(offset + bytes), buffer->name, (unsigned long long)buffer->bytes);
    }
    return PNB_OK;
}

/* One copy between a buffer and staging, with what follows seeing its result. */
static pnb_status copy_once(pnb_gpu *gpu, VkBuffer from, uint64_t from_offset, VkBuffer to, uint64_t to_offset, uint64_t bytes) {
    VkCommandBuffer cmd;
    VkBufferCopy region = {from_offset, to_offset, bytes};
    PNB_TRY(pnb_once_begin(gpu, &cmd));
    gpu->vk.vkCmdCopyBuffer(cmd, from, to, 1, &region);
    return pnb_once_end(gpu);
}

pnb_status pnb_gpu_upload(pnb_gpu *gpu, pnb_gpu_buffer *buffer, uint64_t offset, const void *data, uint64_t bytes) {
    PNB_TRY(check_range(gpu, buffer, offset, bytes, "upload"));
    PNB_TRY(pnb_gpu_wait(gpu));
    if (buffer->mapped) {
        if (bytes) memcpy(buffer->mapped + offset, data, bytes);
        return PNB_OK;
    }
    PNB_TRY(staging_open(gpu));
    const unsigned char *from = data;
    for (uint64_t done = 0; done < bytes;) {
        uint64_t n = bytes - done < gpu->staging.bytes ? bytes - done : gpu->staging.bytes;
        memcpy(gpu->staging.mapped, from + done, n);
        PNB_TRY(copy_once(gpu, gpu->staging.buffer, 0, buffer->handle, offset + done, n));
        done += n;
    }
    return PNB_OK;
}

pnb_status pnb_gpu_download(pnb_gpu *gpu, const pnb_gpu_buffer *buffer, uint64_t offset, void *data, uint64_t bytes) {
    PNB_TRY(check_range(gpu, buffer, offset, bytes, "download"));
    PNB_TRY(pnb_gpu_wait(gpu));
    if (buffer->mapped) {
        if (bytes) memcpy(data, buffer->mapped + offset, bytes);
        return PNB_OK;
    }
    PNB_TRY(staging_open(gpu));
    unsigned char *to = data;
    for (uint64_t done = 0; done < bytes;) {
        uint64_t n = bytes - done < gpu->staging.bytes ? bytes - done : gpu->staging.bytes;
        PNB_TRY(copy_once(gpu, buffer->handle, offset + done, gpu->staging.buffer, 0, n));
        memcpy(to + done, gpu->staging.mapped, n);
        done += n;
    }
    return PNB_OK;
}

pnb_status pnb_gpu_fill_zero(pnb_gpu *gpu, pnb_gpu_buffer *buffer, uint64_t offset, uint64_t bytes) {
    PNB_TRY(check_range(gpu, buffer, offset, bytes, "fill"));
    if (bytes == 0) return PNB_OK;
    if (buffer->mapped) {
        PNB_TRY(pnb_gpu_wait(gpu));
        memset(buffer->mapped + offset, 0, bytes);
        return PNB_OK;
    }
    if (offset % 4 || bytes % 4) {
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "fill: offset %llu and size %llu of buffer '%s' must be multiples of 4",
                        (unsigned long long)offset, (unsigned long long)bytes, buffer->name);
    }
    VkCommandBuffer cmd;
    PNB_TRY(pnb_once_begin(gpu, &cmd));
    gpu->vk.vkCmdFillBuffer(cmd, buffer->handle, offset, bytes, 0);
    return pnb_once_end(gpu);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

pnb_status pnb_memory_init(pnb_gpu *gpu) {
    gpu->vki.GetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory);
    return PNB_OK;
}

void pnb_memory_finish(pnb_gpu *gpu) {
    if (gpu->staging.buffer) gpu->vk.vkDestroyBuffer(gpu->device, gpu->staging.buffer, NULL);
    if (gpu->staging.memory) gpu->vk.vkFreeMemory(gpu->device, gpu->staging.memory, NULL);
    for (size_t i = 0; i < gpu->block_count; i++) block_destroy(gpu, gpu->blocks[i]);
    free(gpu->blocks);
}
