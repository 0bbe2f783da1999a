/* What a file is, in words or as JSON: a prior, a problem, a run, an array or an image. */
#include "api/files.h"
#include "io/json.h"
#include "io/tensor_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- priors
 * ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *key, *words;
    size_t offset;
} memory_rows[] = {
    {"weights", "weights", offsetof(pnb_memory_plan, weights)},
    {"forward", "forward", offsetof(pnb_memory_plan, forward)},
    {"gradient", "forward and input gradient", offsetof(pnb_memory_plan, gradient)},
    {"gradient_checkpointed", "the same, checkpointed", offsetof(pnb_memory_plan, gradient_checkpointed)},
    {"step", "PPM", offsetof(pnb_memory_plan, step)},
    {"step_checkpointed", "PPM, checkpointed", offsetof(pnb_memory_plan, step_checkpointed)},
};
enum { MEMORY_ROWS = sizeof memory_rows / sizeof *memory_rows };

static uint64_t memory_of(const pnb_memory_plan *plan, int row) {
    uint64_t bytes;
    memcpy(&bytes, (const char *)plan + memory_rows[row].offset, sizeof bytes);
    return bytes;
}

/* asked: may be NULL. */
static void add_memory(cJSON *json, const pnb_memory_plan *plan, const pnb_plan_params *asked) {
    cJSON *memory = cJSON_AddObjectToObject(json, "memory_bytes");
    cJSON_AddNumberToObject(memory, "batch", plan->batch);
    cJSON_AddNumberToObject(memory, "height", plan->height);
    cJSON_AddNumberToObject(memory, "width", plan->width);
    cJSON_AddNumberToObject(memory, "particles", plan->particles);
    if (asked && asked->tile) cJSON_AddNumberToObject(memory, "tile", asked->tile);
    for (int i = 0; i < MEMORY_ROWS; i++)
        if (memory_of(plan, i)) cJSON_AddNumberToObject(memory, memory_rows[i].key, (double)memory_of(plan, i));
}

static void memory_text(const pnb_memory_plan *plan, const pnb_plan_params *asked, pnb_text *text) {
    pnb_text_add(text, "device memory by plan, batch %u", plan->batch);
    if (plan->height) pnb_text_add(text, " of %u x %u", plan->height, plan->width);
    if (asked && asked->tile) pnb_text_add(text, " in tiles of %u", asked->tile);
    pnb_text_add(text, ", %u particles:\n", plan->particles);
    for (int i = 0; i < MEMORY_ROWS; i++) {
        char bytes[PNB_BYTES_TEXT_SIZE];
        if (memory_of(plan, i))
            pnb_text_add(text, "  %-28s %s\n", memory_rows[i].words, pnb_bytes_text(memory_of(plan, i), bytes));
    }
}

static cJSON *prior_object(const pnb_model *m, const pnb_model_info *info, const pnb_memory_plan *plan,
                           const pnb_plan_params *asked) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "type", "prior");
    cJSON_AddStringToObject(json, "kind", info->kind);
    cJSON_AddStringToObject(json, "description", info->description);
    cJSON_AddNumberToObject(json, "parameters", (double)info->parameters);
    if (info->dim) {
        cJSON_AddNumberToObject(json, "dim", info->dim);
    } else {
        cJSON_AddNumberToObject(json, "channels", info->channels);
        cJSON_AddNumberToObject(json, "out_channels", info->out_channels);
        cJSON_AddNumberToObject(json, "size", info->size);
        cJSON_AddNumberToObject(json, "multiple", info->multiple);
        cJSON_AddNumberToObject(json, "classes", info->classes);
    }
    cJSON_AddNumberToObject(json, "steps", info->steps);
    add_memory(json, plan, asked);
    cJSON *list = cJSON_AddArrayToObject(json, "tensors");
    for (uint32_t i = 0; i < info->tensors; i++) {
        const char *name;
        pnb_extent e;
        if (pnb_model_tensor(m, i, &name, &e)) break;
        cJSON *t = cJSON_CreateObject();
        int size[PNB_MAX_RANK];
        for (uint32_t j = 0; j < e.rank; j++) size[j] = (int)e.size[j];
        cJSON_AddStringToObject(t, "name", name);
        cJSON_AddItemToObject(t, "shape", cJSON_CreateIntArray(size, (int)e.rank));
        cJSON_AddItemToArray(list, t);
    }
    return json;
}

/* A stranger's string for a terminal: control characters become '?', and it is cut. */
static const char *plain(const char *string, char buf[128]) {
    size_t n = 0;
    for (; n < 127 && string[n]; n++) buf[n] = (unsigned char)string[n] < ' ' || string[n] == 127 ? '?' : string[n];
    buf[n] = 0;
    return buf;
}

/* The strings that a safetensors file says of itself, such as how it was trained; other files have none. */
static void add_metadata(const char *path, cJSON *json, pnb_text *text) {
    pnb_safetensors *file;
    const char *key, *value;
    char shown[2][128];
    if (pnb_is_folder(path) || pnb_safetensors_open(NULL, path, &file) != PNB_OK) return;
    cJSON *object = json ? cJSON_AddObjectToObject(json, "metadata") : NULL;
    for (size_t i = 0; pnb_safetensors_metadata_at(file, i, &key, &value); i++) {
        if (json)
            cJSON_AddStringToObject(object, key, value);
        else
            pnb_text_add(text, "%s  %-20s %s\n", i ? "" : "metadata:\n", plain(key, shown[0]), plain(value, shown[1]));
    }
    pnb_safetensors_close(file);
}

static void prior_text(const pnb_model *m, const pnb_model_info *info, const pnb_memory_plan *plan,
                       const pnb_plan_params *asked, pnb_text *text) {
    pnb_text_add(text, "prior: %s\n", info->description);
    pnb_text_add(text, "parameters: %llu\n", (unsigned long long)info->parameters);
    if (info->dim) {
        pnb_text_add(text, "vectors of %u\n", info->dim);
    } else {
        pnb_text_add(text, "images: %u channels, sides that are multiples of %u (others are padded)", info->channels, info->multiple);
        if (info->size) pnb_text_add(text, ", trained at %u x %u", info->size, info->size);
        if (info->classes) pnb_text_add(text, ", %u classes", info->classes);
        pnb_text_add(text, "\n");
    }
    pnb_text_add(text, "noise schedule: %u steps\n", info->steps);
    memory_text(plan, asked, text);
    pnb_text_add(text, "tensors: %u\n", info->tensors);
    for (uint32_t i = 0; i < info->tensors; i++) {
        const char *name;
        pnb_extent e;
        pnb_shape shape;
        char shown[48];
        if (pnb_model_tensor(m, i, &name, &e) == PNB_OK && pnb_shape_of(&e, &shape)) {
            pnb_text_add(text, "  %-48s %s\n", name, pnb_shape_text(shape, shown));
        }
    }
}

static pnb_status inspect_prior(pnb_context *ctx, const char *path, bool json, const pnb_plan_params *params,
                                char **out) {
    pnb_model *m;
    PNB_TRY(pnb_model_load(ctx, path, &m));
    pnb_model_info info = PNB_MODEL_INFO_INIT;
    pnb_memory_plan plan = PNB_MEMORY_PLAN_INIT;
    pnb_status status = pnb_model_set_fp16(m, params && params->fp16);
    if (status == PNB_OK) status = pnb_model_get_info(m, &info);
    if (status == PNB_OK) status = pnb_model_plan(m, params, &plan);
    if (status == PNB_OK && json) {
        cJSON *object = prior_object(m, &info, &plan, params);
        add_metadata(path, object, NULL);
        status = pnb_json_take(&ctx->error, object, out);
    } else if (status == PNB_OK) {
        pnb_text text = {0};
        prior_text(m, &info, &plan, params, &text);
        add_metadata(path, NULL, &text);
        status = pnb_text_take(&ctx->error, &text, out);
    }
    pnb_model_destroy(&m);
    return status;
}

/* ---- PyTorch's checkpoints
 * ------------------------------------------------------------------------------------------- */

static cJSON *checkpoint_object(const pnb_tensor_file *f) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "type", "checkpoint");
    cJSON *list = cJSON_AddArrayToObject(json, "tensors");
    for (size_t i = 0; i < pnb_tensor_file_count(f); i++) {
        pnb_tensor_entry e = pnb_tensor_file_at(f, i);
        cJSON *t = cJSON_CreateObject();
        cJSON_AddStringToObject(t, "name", e.name);
        cJSON_AddStringToObject(t, "dtype", pnb_dtype_name(e.dtype));
        cJSON *shape = cJSON_AddArrayToObject(t, "shape");
        for (uint32_t j = 0; j < e.rank; j++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)e.shape[j]));
        cJSON_AddItemToArray(list, t);
    }
    return json;
}

static void checkpoint_text(const pnb_tensor_file *f, pnb_text *text) {
    pnb_text_add(text, "PyTorch checkpoint: no network that is known here\ntensors: %zu\n", pnb_tensor_file_count(f));
    for (size_t i = 0; i < pnb_tensor_file_count(f); i++) {
        pnb_tensor_entry e = pnb_tensor_file_at(f, i);
        char shape[PNB_SHAPE_TEXT_SIZE];
        pnb_text_add(text, "  %-48s %s %s\n", e.name, pnb_dtype_name(e.dtype),
                     pnb_shape_to_text(e.rank, e.shape, shape));
    }
}

static pnb_status inspect_torch(pnb_context *ctx, const char *path, bool json, const pnb_plan_params *params,
                                char **out) {
    pnb_tensor_file *f;
    const char *prefix;
    size_t length;
    PNB_TRY(pnb_tensor_file_open_torch(&ctx->error, path, &f));
    pnb_status status = pnb_tensor_file_verify(f);
    bool network = pnb_prior_find_network(f, &prefix, &length);
    if (status == PNB_OK && !network && json) {
        status = pnb_json_take(&ctx->error, checkpoint_object(f), out);
    } else if (status == PNB_OK && !network) {
        pnb_text text = {0};
        checkpoint_text(f, &text);
        status = pnb_text_take(&ctx->error, &text, out);
    }
    pnb_tensor_file_close(f);
    return status == PNB_OK && network ? inspect_prior(ctx, path, json, params, out) : status;
}

static bool is_torch(const char *path) {
    static const char *const endings[] = {".pt", ".pth", ".ckpt", ".pkl"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (pnb_ends_with(path, endings[i])) return true;
    return pnb_torch_recognise(path);
}

/* ---- problems and runs
 * ------------------------------------------------------------------------------------------------------- */

static double number(const cJSON *object, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static void run_text(const cJSON *run, pnb_text *text) {
    const cJSON *device = cJSON_GetObjectItemCaseSensitive(run, "device"), *name, *item;
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(run, "seconds");
    name = cJSON_GetObjectItemCaseSensitive(device, "name");
    pnb_text_add(text, "run: %g of %g steps, %.3g s on %s\n", number(run, "steps_done"), number(run, "steps"),
                 number(seconds, "total"), cJSON_IsString(name) ? name->valuestring : "an unknown device");
    for (item = cJSON_GetObjectItemCaseSensitive(run, "scores"), item = item ? item->child : NULL; item;
         item = item->next) {
        if (cJSON_IsNumber(item)) pnb_text_add(text, "  %-24s %.4g\n", item->string, item->valuedouble);
    }
    for (item = cJSON_GetObjectItemCaseSensitive(run, "warnings"), item = item ? item->child : NULL; item;
         item = item->next) {
        if (cJSON_IsString(item)) pnb_text_add(text, "warning: %s\n", item->valuestring);
    }
}

static pnb_status inspect_problem(pnb_context *ctx, const char *path, bool json, char **out) {
    cJSON *document;
    PNB_TRY(pnb_json_load(&ctx->error, path, &document));
    bool run = cJSON_GetObjectItemCaseSensitive(document, "version") != NULL;
    bool sampling = cJSON_GetObjectItemCaseSensitive(document, "sampling") != NULL;
    if (json && run) return pnb_json_take(&ctx->error, document, out);
    pnb_text text = {0};
    if (run) run_text(document, &text);
    cJSON_Delete(document);
    if (sampling) return pnb_text_take(&ctx->error, &text, out);
    pnb_problem *problem;
    char *words = NULL;
    pnb_status status = pnb_problem_load(ctx, path, &problem);
    if (status == PNB_OK) status = json ? pnb_problem_json(problem, &words) : pnb_problem_explain(problem, &words);
    pnb_problem_destroy(&problem);
    if (status == PNB_OK) pnb_text_add(&text, "%s", words);
    pnb_free(words);
    if (status == PNB_OK) return pnb_text_take(&ctx->error, &text, out);
    free(text.at);
    return status;
}

/* ---- arrays and images
 * -------------------------------------------------------------------------------------------------------- */

typedef struct statistics {
    double least, largest, mean, std;
    uint64_t not_finite;
} statistics;

static statistics statistics_of(const pnb_array *a) {
    statistics s = {.least = INFINITY, .largest = -INFINITY};
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < a->count; i++) {
        double v = a->data[i];
        if (!isfinite(v)) {
            s.not_finite++;
            continue;
        }
        s.least = fmin(s.least, v);
        s.largest = fmax(s.largest, v);
        sum += v;
        squares += v * v;
    }
    double n = (double)(a->count - s.not_finite);
    s.mean = sum / n;
    s.std = sqrt(fmax(0, squares / n - s.mean * s.mean));
    return s;
}

static cJSON *array_object(const pnb_array *a, const statistics *s, bool image) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "type", image ? "image" : "array");
    cJSON *shape = cJSON_AddArrayToObject(json, "shape");
    for (uint32_t i = 0; i < a->rank; i++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)a->shape[i]));
    pnb_json_number(json, "least", s->least);
    pnb_json_number(json, "largest", s->largest);
    pnb_json_number(json, "mean", s->mean);
    pnb_json_number(json, "std", s->std);
    cJSON_AddNumberToObject(json, "not_finite", (double)s->not_finite);
    return json;
}

static pnb_status inspect_array(pnb_context *ctx, const char *path, bool json, char **out) {
    pnb_array a;
    bool image;
    PNB_TRY(pnb_values_read(&ctx->error, path, 0, &a, &image));
    statistics s = statistics_of(&a);
    char shape[PNB_SHAPE_TEXT_SIZE];
    pnb_status status;
    if (json) {
        status = pnb_json_take(&ctx->error, array_object(&a, &s, image), out);
    } else {
        pnb_text text = {0};
        pnb_text_add(&text, "%s %s%s\nfrom %.6g to %.6g, mean %.6g, std %.6g\nnot finite: %llu\n",
                     image ? "image" : "array", pnb_shape_to_text(a.rank, a.shape, shape),
                     image ? " (mapped to [-1,1])" : "", s.least, s.largest, s.mean, s.std,
                     (unsigned long long)s.not_finite);
        status = pnb_text_take(&ctx->error, &text, out);
    }
    pnb_array_free(&a);
    return status;
}

pnb_status pnb_inspect(pnb_context *ctx, const char *path, int json, char **text) {
    return pnb_inspect_plan(ctx, path, json, NULL, text);
}

pnb_status pnb_inspect_plan(pnb_context *ctx, const char *path, int json, const pnb_plan_params *plan, char **text) {
    if (text) *text = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    if (!path || !text) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_inspect: path and text may not be NULL");
    if (pnb_ends_with(path, ".safetensors") || pnb_is_folder(path))
        return inspect_prior(ctx, path, json != 0, plan, text);
    if (pnb_ends_with(path, ".json")) return inspect_problem(ctx, path, json != 0, text);
    if (is_torch(path)) return inspect_torch(ctx, path, json != 0, plan, text);
    return inspect_array(ctx, path, json != 0, text);
}
