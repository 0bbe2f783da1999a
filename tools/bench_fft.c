/* Times penumbra's complex 2-D FFT, VkFFT on the same Vulkan device and FFTW on two threads, and prints a table in Markdown.
 *
 *     pnb_bench_fft [TURNS] [SIZE|SIZE*BATCH ...]      3 turns; 64 to 1024, batch 1 and 8; sizes that `penumbra bench` has
 *
 * The engines take turns within each case; in a turn each runs once to settle and then REPEAT times, out of which the median counts.
 * Device times are the device's own, between timestamps; FFTW's are the host's. A cell is the median of the turns' medians in ms; a
 * ratio is VkFFT's time over penumbra's within a turn, its median and range: above 1, penumbra is faster. Built where libvkfft-dev, glslang-dev, libvulkan-dev and
 * libfftw3-dev are installed; no part of the library needs them. */
#include <penumbra/penumbra.h>

#include <cjson/cJSON.h>
#include <fftw3.h>
#define VKFFT_BACKEND 0
#include <vkFFT.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_TURNS = 15, MOST_CASES = 32, REPEAT = 7, FFTW_THREADS = 2 };

static void stop(const char *what, long code) {
    fprintf(stderr, "bench_fft: %s (%ld)\n", what, code);
    exit(1);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, by_size);
    return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

/* ---- VkFFT -------------------------------------------------------------------------------------------------------- */

typedef struct vulkan {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    VkCommandPool pool;
    VkFence fence;
    VkQueryPool queries;
    double tick_ms;
} vulkan;

static void check(VkResult result, const char *what) {
    if (result != VK_SUCCESS) stop(what, result);
}

static void open_device(vulkan *vk) {
    uint32_t count = 1;
    float priority = 1;
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2};
    VkInstanceCreateInfo instance = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
    check(vkCreateInstance(&instance, NULL, &vk->instance), "no Vulkan instance");
    VkResult found = vkEnumeratePhysicalDevices(vk->instance, &count, &vk->physical); /* the first, as penumbra's --device 0 */
    if (found != VK_INCOMPLETE) check(found, "no Vulkan device");
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
    VkDeviceCreateInfo device = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue};
    check(vkCreateDevice(vk->physical, &device, NULL, &vk->device), "no device");
    vkGetDeviceQueue(vk->device, 0, 0, &vk->queue);
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT};
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkQueryPoolCreateInfo queries = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, .queryType = VK_QUERY_TYPE_TIMESTAMP, .queryCount = 2};
    check(vkCreateCommandPool(vk->device, &pool, NULL, &vk->pool), "no command pool");
    check(vkCreateFence(vk->device, &fence, NULL, &vk->fence), "no fence");
    check(vkCreateQueryPool(vk->device, &queries, NULL, &vk->queries), "no timestamps");
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(vk->physical, &properties);
    vk->tick_ms = 1e-6 * (double)properties.limits.timestampPeriod;
}

static VkBuffer make_buffer(const vulkan *vk, VkDeviceSize bytes, VkDeviceMemory *memory) {
    VkBuffer buffer;
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = bytes,
                               .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    check(vkCreateBuffer(vk->device, &info, NULL, &buffer), "no buffer");
    VkMemoryRequirements needs;
    VkPhysicalDeviceMemoryProperties heaps;
    vkGetBufferMemoryRequirements(vk->device, buffer, &needs);
    vkGetPhysicalDeviceMemoryProperties(vk->physical, &heaps);
    VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs.size};
    for (uint32_t i = heaps.memoryTypeCount; i-- > 0;) {
        bool fits = needs.memoryTypeBits >> i & 1 && heaps.memoryTypes[i].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
        if (fits) allocate.memoryTypeIndex = i;
    }
    check(vkAllocateMemory(vk->device, &allocate, NULL, memory), "no memory");
    check(vkBindBufferMemory(vk->device, buffer, *memory, 0), "no memory");
    return buffer;
}

/* One transform in place, between two timestamps; submitted once, the time taken. */
static double submit(vulkan *vk, VkCommandBuffer commands) {
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
    uint64_t ticks[2];
    check(vkQueueSubmit(vk->queue, 1, &info, vk->fence), "submit");
    check(vkWaitForFences(vk->device, 1, &vk->fence, VK_TRUE, UINT64_MAX), "wait");
    check(vkResetFences(vk->device, 1, &vk->fence), "reset");
    check(vkGetQueryPoolResults(vk->device, vk->queries, 0, 2, sizeof ticks, ticks, sizeof ticks[0],
                                VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
          "timestamps");
    return (double)(ticks[1] - ticks[0]) * vk->tick_ms;
}

static VkCommandBuffer record(vulkan *vk, VkFFTApplication *app) {
    VkCommandBuffer commands;
    VkCommandBufferAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = vk->pool,
                                            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY, .commandBufferCount = 1};
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    check(vkAllocateCommandBuffers(vk->device, &allocate, &commands), "no command buffer");
    check(vkBeginCommandBuffer(commands, &begin), "begin");
    vkCmdResetQueryPool(commands, vk->queries, 0, 2);
    vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, vk->queries, 0);
    VkFFTLaunchParams launch = {};
    launch.commandBuffer = &commands;
    VkFFTResult result = VkFFTAppend(app, -1, &launch);
    if (result != VKFFT_SUCCESS) stop("VkFFTAppend", result);
    vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, vk->queries, 1);
    check(vkEndCommandBuffer(commands), "end");
    return commands;
}

static double run_vkfft(vulkan *vk, int batch, int size) {
    VkFFTApplication *app = calloc(1, sizeof *app);
    VkFFTConfiguration config = {};
    VkDeviceMemory memory;
    uint64_t bytes = 8ull * (uint64_t)batch * (uint64_t)size * (uint64_t)size;
    double ms[REPEAT];
    VkBuffer buffer = make_buffer(vk, bytes, &memory);
    if (!app) stop("no memory", 0);
    config.FFTdim = 2;
    config.size[0] = config.size[1] = (uint64_t)size;
    config.numberBatches = (uint64_t)batch;
    config.physicalDevice = &vk->physical;
    config.device = &vk->device;
    config.queue = &vk->queue;
    config.commandPool = &vk->pool;
    config.fence = &vk->fence;
    config.buffer = &buffer;
    config.bufferSize = &bytes;
    VkFFTResult result = initializeVkFFT(app, config);
    if (result != VKFFT_SUCCESS) stop("initializeVkFFT", result);
    VkCommandBuffer commands = record(vk, app);
    for (int i = -2; i < REPEAT; i++) {
        double once = submit(vk, commands);
        if (i >= 0) ms[i] = once;
    }
    vkFreeCommandBuffers(vk->device, vk->pool, 1, &commands);
    deleteVkFFT(app);
    free(app);
    vkDestroyBuffer(vk->device, buffer, NULL);
    vkFreeMemory(vk->device, memory, NULL);
    return median(ms, REPEAT);
}

/* ---- FFTW --------------------------------------------------------------------------------------------------------- */

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static double run_fftw(int batch, int size) {
    int n[2] = {size, size}, distance = size * size;
    double ms[REPEAT];
    fftwf_complex *x = fftwf_malloc(sizeof *x * (size_t)batch * (size_t)distance);
    if (!x) stop("no memory", 0);
    fftwf_plan plan = fftwf_plan_many_dft(2, n, batch, x, NULL, 1, distance, x, NULL, 1, distance, FFTW_FORWARD, FFTW_MEASURE);
    memset(x, 0, sizeof *x * (size_t)batch * (size_t)distance);
    for (int i = -1; i < REPEAT; i++) {
        double begin = now_ms();
        fftwf_execute(plan);
        if (i >= 0) ms[i] = now_ms() - begin;
    }
    fftwf_destroy_plan(plan);
    fftwf_free(x);
    return median(ms, REPEAT);
}

/* ---- turns -------------------------------------------------------------------------------------------------------- */

typedef struct timed_case {
    int batch, size;
    double own[MOST_TURNS], vkfft[MOST_TURNS], fftw[MOST_TURNS]; /* ms */
} timed_case;

typedef struct run {
    vulkan vk;
    timed_case cases[MOST_CASES];
    int count, turn;
} run;

static timed_case *find(run *r, const char *name) {
    int batch, height, width;
    if (!name || sscanf(name, "n%d %dx%d", &batch, &height, &width) != 3) return NULL;
    for (int i = 0; i < r->count; i++) {
        if (r->cases[i].batch == batch && r->cases[i].size == height && height == width) return &r->cases[i];
    }
    return NULL;
}

/* After penumbra has timed a case the others do. */
static int others(void *user, const char *row) {
    run *r = user;
    timed_case *c = strstr(row, "forward") && strstr(row, " n") ? find(r, strstr(row, " n") + 1) : NULL;
    if (!c) return 0;
    c->vkfft[r->turn] = run_vkfft(&r->vk, c->batch, c->size);
    c->fftw[r->turn] = run_fftw(c->batch, c->size);
    return 0;
}

static void take_turn(run *r, pnb_context *ctx, const char *names) {
    char *json = NULL;
    pnb_bench_params params = PNB_BENCH_DEFAULTS;
    params.ops = "^fft$";
    params.cases = names;
    params.repeat = REPEAT;
    params.report = others;
    params.user = r;
    if (pnb_bench(ctx, &params, &json) != PNB_OK) stop(pnb_last_error(ctx), 0);
    cJSON *root = cJSON_Parse(json), *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(root, "rows")) {
        const char *pass = cJSON_GetStringValue(cJSON_GetObjectItem(row, "pass"));
        timed_case *c = find(r, cJSON_GetStringValue(cJSON_GetObjectItem(row, "case")));
        const cJSON *ms = cJSON_GetObjectItem(cJSON_GetObjectItem(row, "ms"), "median");
        if (c && pass && strcmp(pass, "forward") == 0 && cJSON_IsNumber(ms)) c->own[r->turn] = ms->valuedouble;
    }
    cJSON_Delete(root);
    pnb_free(json);
}

static void print(timed_case *c, int turns) {
    double ratio[MOST_TURNS];
    for (int i = 0; i < turns; i++) {
        if (!(c->own[i] > 0 && c->vkfft[i] > 0)) stop("penumbra has no such case", c->size);
        ratio[i] = c->vkfft[i] / c->own[i];
    }
    double own = median(c->own, turns), levels = 1e6 * own / ((double)c->batch * c->size * c->size) / (2 * log2(c->size));
    double vkfft = median(c->vkfft, turns), fftw = median(c->fftw, turns), middle = median(ratio, turns);
    printf("| %d x %d, batch %d | %.3f | %.3f | %.3f | %.2f (%.2f to %.2f) | %.2f |\n", c->size, c->size, c->batch, own, vkfft, fftw, middle,
           ratio[0], ratio[turns - 1], levels);
}

int main(int argc, char **argv) {
    static const char *const usual[] = {"64", "64*8", "128", "128*8", "256", "256*8", "512", "512*8", "1024", "1024*8"};
    char names[64 * MOST_CASES] = "^(";
    int turns = argc > 1 ? atoi(argv[1]) : 3;
    static run r;
    r.count = argc > 2 ? argc - 2 : (int)(sizeof usual / sizeof usual[0]);
    if (turns < 1 || turns > MOST_TURNS) stop("turns: 1 to 15", turns);
    if (r.count > MOST_CASES) stop("too many sizes", r.count);
    for (int i = 0; i < r.count; i++) {
        timed_case *c = &r.cases[i];
        c->batch = 1;
        if (sscanf(argc > 2 ? argv[2 + i] : usual[i], "%d*%d", &c->size, &c->batch) < 1) stop("sizes: SIZE or SIZE*BATCH", i);
        snprintf(names + strlen(names), 64, "%sn%d %dx%d", i ? "|" : "", c->batch, c->size, c->size);
    }
    strcat(names, ")$");
    pnb_context *ctx = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    params.device = "0";
    if (pnb_context_create(&params, &ctx) != PNB_OK) stop(ctx ? pnb_last_error(ctx) : "no context", 0);
    open_device(&r.vk);
    fftwf_init_threads();
    fftwf_plan_with_nthreads(FFTW_THREADS);
    for (; r.turn < turns; r.turn++) take_turn(&r, ctx, names);
    printf("| complex | penumbra, ms | VkFFT, ms | FFTW, ms | VkFFT / penumbra | penumbra, ns a point and level |\n|---|---|---|---|---|---|\n");
    for (int i = 0; i < r.count; i++) print(&r.cases[i], turns);
    pnb_context_destroy(&ctx);
    return 0;
}
