/* The device floor: one device, its memory, its kernels, recorded command lists and their timing.
 *
 * Nothing above this floor sees a Vulkan type. A pnb_gpu owns everything that is made from it except what the caller
 * destroys; it is used by one thread at a time. Every failure leaves a sentence in the pnb_error that was given to
 * pnb_gpu_create. After a lost device every call returns PNB_ERROR_DEVICE_LOST with the first sentence again.
 */
#ifndef PNB_GPU_GPU_H
#define PNB_GPU_GPU_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pnb_gpu pnb_gpu;
typedef struct pnb_gpu_buffer pnb_gpu_buffer;
typedef struct pnb_gpu_kernel pnb_gpu_kernel;
typedef struct pnb_gpu_list pnb_gpu_list;
struct pnb_choices;

/* ---- devices ---------------------------------------------------------------------------------------------------- */

typedef enum pnb_gpu_type { PNB_GPU_DISCRETE, PNB_GPU_INTEGRATED, PNB_GPU_VIRTUAL, PNB_GPU_CPU, PNB_GPU_OTHER } pnb_gpu_type;

/* What a device is and can do: read once, clamped to sane values, quirks of known drivers already applied. */
typedef struct pnb_gpu_caps {
    char name[256];
    char driver[256];             /* driver name and version in words, e.g. "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)" */
    uint32_t vendor_id, device_id, driver_version;
    uint32_t api_version;         /* of the device, as VK_MAKE_API_VERSION */
    uint8_t uuid[16];             /* pipelineCacheUUID */
    pnb_gpu_type type;
    bool usable;                  /* Vulkan 1.2 with a compute queue */
    char why_not[128];            /* the reason when it is not usable */
    uint64_t memory_bytes;        /* largest device-local heap */
    uint64_t max_buffer_bytes;    /* one allocation or buffer */
    uint64_t max_binding_bytes;   /* one storage-buffer binding (maxStorageBufferRange), at most 2 GiB */
    uint32_t max_texel_elements;  /* one texel-buffer view */
    uint32_t binding_alignment;   /* every offset at which a buffer may be bound, storage and texel; a power of two >= 16 */
    uint32_t max_groups[3];
    uint32_t max_local_size;      /* invocations of one workgroup */
    uint32_t max_local_size_x;
    uint32_t shared_bytes;
    uint32_t subgroup_size;
    bool subgroup_arithmetic, subgroup_shuffle, subgroup_quad; /* in compute */
    bool fp16_storage;
    uint32_t cooperative[3];      /* M, N, K of matrices that a subgroup multiplies, 16-bit floats to fp32; 0: none, or not built */
    double timestamp_ns;          /* nanoseconds a tick; 0: no timestamps on the compute queue */
    bool is_cpu;                  /* a software driver: texel loads, few fat workgroups, no shared-memory tiles */
    bool prefer_texel;            /* kernels with a .texel variant should use it */
    uint32_t texel_padding;       /* bytes that a buffer has behind its end, for views that are longer than what is read (list.c) */
} pnb_gpu_caps;

/* All devices that the loader knows, usable or not, in the loader's order (the INDEX of --device). The caller frees *out
 * with free(). No loader or no driver: PNB_ERROR_NO_DEVICE. */
pnb_status pnb_gpu_enumerate(pnb_error *err, pnb_gpu_caps **out, size_t *count);

/* Whether the Khronos validation layer is installed, so that params.validate can be set. */
bool pnb_gpu_has_validation(void);

typedef struct pnb_gpu_params {
    const char *device;      /* index, or part of a name (any case); NULL: environment PENUMBRA_DEVICE, else the best:
                                discrete, integrated, virtual, CPU, then the most memory */
    bool validate;           /* Khronos validation layer with synchronisation validation; its messages count as failures */
    uint64_t memory_limit;   /* bytes this context may allocate on the device; 0: no limit of ours */
    const char *cache_dir;   /* folder of the pipeline cache; NULL: $XDG_CACHE_HOME/penumbra or ~/.cache/penumbra; "": none */
    bool statistics;         /* keep what the driver's compiler says of each kernel (statistics.h); PNB_ERROR_NO_DEVICE without
                                VK_KHR_pipeline_executable_properties */
    bool as_hardware;        /* kernels are chosen as for a GPU, whatever the device is (caps.is_cpu false): for tests of those kernels */
    bool no_tuning;          /* start with an empty tuning table, whatever the cache folder holds */
    void (*log)(void *user, int level, const char *line); /* may be NULL; level 0 error 1 warning 2 info 3 debug */
    void *log_user;
} pnb_gpu_params;

pnb_status pnb_gpu_create(const pnb_gpu_params *params, pnb_error *err, pnb_gpu **out);
void pnb_gpu_destroy(pnb_gpu **gpu); /* accepts NULL; waits for the device; sets *gpu to NULL; saves the pipeline cache */

const pnb_gpu_caps *pnb_gpu_get_caps(const pnb_gpu *gpu);
pnb_error *pnb_gpu_get_error(const pnb_gpu *gpu);
const char *pnb_gpu_choice(const pnb_gpu *gpu); /* a sentence: which device was chosen and why */
struct pnb_choices *pnb_gpu_choices(const pnb_gpu *gpu); /* the tuner's table (gpu/choices.h); never NULL, owned by gpu */
pnb_status pnb_gpu_save_choices(pnb_gpu *gpu);           /* to its file; PNB_ERROR_USAGE where there is no cache folder */
const char *pnb_gpu_choices_path(const pnb_gpu *gpu);    /* that file, there or not; "" for none */

/* Counters since creation, for tests and run.json. */
typedef struct pnb_gpu_stats {
    uint64_t allocations;                 /* buffers made and blocks taken from the driver so far */
    uint64_t allocated_bytes, peak_bytes; /* device memory held from the driver: now, and the most that it was */
    uint64_t buffer_bytes, buffer_peak_bytes; /* of these, what buffers take: now, and the most that it was */
    uint64_t kernels_created, lists_recorded, submissions, dispatches_submitted;
    uint64_t validation_messages;
} pnb_gpu_stats;
pnb_gpu_stats pnb_gpu_get_stats(const pnb_gpu *gpu);
const char *pnb_gpu_validation_text(const pnb_gpu *gpu); /* the first validation message, or "" */

/* ---- memory ----------------------------------------------------------------------------------------------------- */

/* A buffer of `bytes` (rounded up to 16), zeroed, suballocated from blocks. Bound as storage buffer, texel buffer (RGBA32F)
 * and copy source and target. name is copied: it is the debug name and stands in errors. */
pnb_status pnb_gpu_buffer_create(pnb_gpu *gpu, uint64_t bytes, const char *name, pnb_gpu_buffer **out);
void pnb_gpu_buffer_destroy(pnb_gpu *gpu, pnb_gpu_buffer **buffer); /* accepts NULL */
uint64_t pnb_gpu_buffer_bytes(const pnb_gpu_buffer *buffer);

/* Blocking copies between host and device, in any order with lists already submitted (they wait for them). */
pnb_status pnb_gpu_upload(pnb_gpu *gpu, pnb_gpu_buffer *buffer, uint64_t offset, const void *data, uint64_t bytes);
pnb_status pnb_gpu_download(pnb_gpu *gpu, const pnb_gpu_buffer *buffer, uint64_t offset, void *data, uint64_t bytes);
pnb_status pnb_gpu_fill_zero(pnb_gpu *gpu, pnb_gpu_buffer *buffer, uint64_t offset, uint64_t bytes);

/* ---- kernels ---------------------------------------------------------------------------------------------------- */

enum { PNB_GPU_MAX_BINDINGS = 12, PNB_GPU_MAX_SPEC = 16, PNB_GPU_MAX_PUSH = 128 };

typedef struct pnb_gpu_kernel_desc {
    const char *shader;          /* embedded name: "ops/conv2d" (shaders/ops/conv2d.comp), or "ops/conv2d.texel" for a variant */
    const uint32_t *code;        /* of a shader that is not embedded, with a name that says what the code is; NULL: embedded */
    size_t code_bytes;
    uint32_t bindings;           /* set 0, bindings 0..n-1 */
    uint32_t texel_mask;         /* bit i: binding i is a uniform texel buffer (RGBA32F) instead of a storage buffer */
    uint32_t half_mask;          /* bit i: texel buffer i is one of 16-bit floats (RGBA16F), which every device reads as fp32 */
    uint32_t push_bytes;
    uint32_t spec_count;
    uint32_t spec[PNB_GPU_MAX_SPEC]; /* specialisation constants 0..n-1, 32 bits each. Number 0 is local_size_x, always */
} pnb_gpu_kernel_desc;

/* A pipeline, made at the first request and kept (the same description gives the same pointer). Owned by gpu. */
pnb_status pnb_gpu_kernel_get(pnb_gpu *gpu, const pnb_gpu_kernel_desc *desc, pnb_gpu_kernel **out);

/* ---- recorded work ---------------------------------------------------------------------------------------------- */

typedef struct pnb_gpu_binding {
    const pnb_gpu_buffer *buffer;
    uint64_t offset, bytes;      /* offset: a multiple of caps.binding_alignment */
} pnb_gpu_binding;

/* A list is recorded once, between begin and end, and submitted as often as wanted. */
pnb_status pnb_gpu_list_begin(pnb_gpu *gpu, const char *name, pnb_gpu_list **out);
pnb_status pnb_gpu_list_dispatch(pnb_gpu_list *list, pnb_gpu_kernel *kernel, const pnb_gpu_binding *bindings,
                                 const void *push, const uint32_t groups[3], const char *label);
pnb_status pnb_gpu_list_barrier(pnb_gpu_list *list); /* all writes before become visible to all reads and writes after */
pnb_status pnb_gpu_list_copy(pnb_gpu_list *list, pnb_gpu_binding from, pnb_gpu_binding to); /* with its own barriers */
/* A timestamp: index 0.. in the order of the calls; read with pnb_gpu_list_times. */
pnb_status pnb_gpu_list_timestamp(pnb_gpu_list *list);
pnb_status pnb_gpu_list_end(pnb_gpu_list *list);
void pnb_gpu_list_destroy(pnb_gpu *gpu, pnb_gpu_list **list);

/* Submit lists in order as one submission. Between two lists everything is ordered and visible. Returns before the work is
 * done; a second submission is queued behind. */
pnb_status pnb_gpu_submit(pnb_gpu *gpu, pnb_gpu_list *const *lists, size_t count);
pnb_status pnb_gpu_wait(pnb_gpu *gpu); /* until all that was submitted is done */
/* Timestamps of the last completed submission of the list, in nanoseconds from the first; after pnb_gpu_wait. count: in,
 * room in out; out, how many there are (0 where the device has none). */
pnb_status pnb_gpu_list_times(pnb_gpu *gpu, pnb_gpu_list *list, double *out, size_t *count);

#endif
