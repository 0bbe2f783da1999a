/* A recorded list from the inside, for list.c and submit.c. */
#ifndef PNB_GPU_LIST_H
#define PNB_GPU_LIST_H

#include "gpu/internal.h"

enum {
    PNB_LIST_POOL_SETS = 128,   /* descriptor sets of one pool */
    PNB_LIST_QUERIES = 512      /* timestamps of one query pool */
};

/* What the newest descriptor pool still has. */
typedef struct pnb_sets_left { uint32_t sets, storage, texel; } pnb_sets_left;

struct pnb_gpu_list {
    pnb_gpu *gpu;
    char name[64];
    bool ended;
    bool ordered; /* nothing was recorded since the last barrier */
    VkCommandPool pool;
    VkCommandBuffer commands;
    uint64_t dispatches;

    VkDescriptorPool *set_pools; /* the last one has room for `left` more */
    size_t set_pool_count;
    pnb_sets_left left;
    bool uses_texels;
    VkBufferView *views;
    size_t view_count, view_capacity;
    VkQueryPool *query_pools;
    size_t query_pool_count, timestamps;
};

/* Memory barriers around a command buffer: everything before it is seen by it; what it wrote is seen by the host. */
void pnb_barrier_enter(pnb_gpu *gpu, VkCommandBuffer commands);
void pnb_barrier_leave(pnb_gpu *gpu, VkCommandBuffer commands);

#endif
