/* Submission and waiting: one queue, a ring of fences, everything in order and visible to what follows. */
#include "gpu/list.h"

#include <stdlib.h>

pnb_status pnb_submit_init(pnb_gpu *gpu) {
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT | VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = gpu->queue_choice.family,
    };
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkCreateCommandPool(gpu->device, &pool, NULL, &gpu->once_pool), "creating a command pool"));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_COMMAND_POOL, (uint64_t)(uintptr_t)gpu->once_pool, "copies");
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = gpu->once_pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkAllocateCommandBuffers(gpu->device, &info, &gpu->once), "creating a command buffer"));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_COMMAND_BUFFER, (uint64_t)(uintptr_t)gpu->once, "copies");
    if (pnb_quirks_null_hardware(&gpu->caps)) return PNB_OK; /* it has no fences; kernels can be compiled, nothing runs */
    for (int i = 0; i < PNB_GPU_FENCES; i++) {
        VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkCreateFence(gpu->device, &fence, NULL, &gpu->fences[i]), "creating a fence"));
        pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_FENCE, (uint64_t)(uintptr_t)gpu->fences[i], "submission");
    }
    return PNB_OK;
}

void pnb_submit_finish(pnb_gpu *gpu) {
    for (int i = 0; i < PNB_GPU_FENCES; i++) {
        if (gpu->fences[i]) gpu->vk.vkDestroyFence(gpu->device, gpu->fences[i], NULL);
    }
    if (gpu->once_pool) gpu->vk.vkDestroyCommandPool(gpu->device, gpu->once_pool, NULL);
}

/* Wait until submission number n is done. One queue: then all before it are done too. */
static pnb_status wait_for(pnb_gpu *gpu, uint64_t n) {
    if (n <= gpu->completed) return PNB_OK;
    VkFence fence = gpu->fences[(n - 1) % PNB_GPU_FENCES];
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkWaitForFences(gpu->device, 1, &fence, VK_TRUE, UINT64_MAX), "waiting for the device"));
    gpu->completed = n;
    return PNB_OK;
}

/* One batch of command buffers; takes the next fence, waiting first for the submission that used it last. */
static pnb_status submit_batch(pnb_gpu *gpu, const VkCommandBuffer *commands, uint32_t count) {
    VkFence fence = gpu->fences[gpu->submitted % PNB_GPU_FENCES];
    if (!fence) return pnb_fail(gpu->err, PNB_ERROR_NO_DEVICE, "device '%s' compiles kernels and executes nothing", gpu->caps.name);
    if (gpu->submitted >= PNB_GPU_FENCES) PNB_TRY(wait_for(gpu, gpu->submitted + 1 - PNB_GPU_FENCES));
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkResetFences(gpu->device, 1, &fence), "resetting a fence"));
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = count, .pCommandBuffers = commands};
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkQueueSubmit(gpu->queue, 1, &info, fence), "submitting %u lists", count));
    gpu->submitted++;
    gpu->stats.submissions++;
    return PNB_OK;
}

pnb_status pnb_gpu_submit(pnb_gpu *gpu, pnb_gpu_list *const *lists, size_t count) {
    VkCommandBuffer commands[PNB_GPU_SUBMIT_LISTS];
    PNB_TRY(pnb_gpu_check(gpu));
    for (size_t i = 0; i < count; i++) {
        if (!lists[i]->ended) return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "list '%s' is submitted before its end", lists[i]->name);
    }
    for (size_t i = 0; i < count;) {
        uint32_t n = 0;
        for (; i < count && n < PNB_GPU_SUBMIT_LISTS; i++, n++) {
            commands[n] = lists[i]->commands;
            gpu->stats.dispatches_submitted += lists[i]->dispatches;
        }
        PNB_TRY(submit_batch(gpu, commands, n));
    }
    return PNB_OK;
}

pnb_status pnb_gpu_wait(pnb_gpu *gpu) {
    PNB_TRY(pnb_gpu_check(gpu));
    return wait_for(gpu, gpu->submitted);
}

pnb_status pnb_once_begin(pnb_gpu *gpu, VkCommandBuffer *out) {
    PNB_TRY(pnb_gpu_wait(gpu));
    VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                     .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkBeginCommandBuffer(gpu->once, &info), "recording a copy"));
    pnb_barrier_enter(gpu, gpu->once);
    *out = gpu->once;
    return PNB_OK;
}

pnb_status pnb_once_end(pnb_gpu *gpu) {
    pnb_barrier_leave(gpu, gpu->once);
    PNB_TRY(pnb_vk_check(gpu, gpu->vk.vkEndCommandBuffer(gpu->once), "recording a copy"));
    PNB_TRY(submit_batch(gpu, &gpu->once, 1));
    return pnb_gpu_wait(gpu);
}
