/* U-Nets from checkpoints: which code base a file is of, and its weights. */
#include "base/file.h"
#include "io/json.h"
#include "prior/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const pnb_unet_reader *const readers[] = {&pnb_adm_reader, &pnb_edm_reader};

/* ---- recognising --------------------------------------------------------------------------------------------------
 */

/* Where the reader's mark stands in the name of a tensor, at its end and whole: "model.<mark>" is 6; -1: nowhere. */
static int32_t prefix_of(const pnb_unet_reader *r, const pnb_safetensors *file) {
    size_t length = strlen(r->mark);
    for (size_t i = 0; i < pnb_safetensors_count(file); i++) {
        const char *name = pnb_safetensors_at(file, i)->name;
        size_t n = strlen(name);
        if (n < length || n > INT32_MAX || strcmp(name + n - length, r->mark) != 0) continue;
        if (n == length || name[n - length - 1] == '.') return (int32_t)(n - length);
    }
    return -1;
}

const pnb_unet_reader *pnb_unet_recognise(const pnb_safetensors *file, const char *word) {
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (word ? strcmp(word, readers[i]->name) == 0 : prefix_of(readers[i], file) >= 0) return readers[i];
    return NULL;
}

/* ---- hints --------------------------------------------------------------------------------------------------------
 */

static const cJSON *find_item(const cJSON *config, const char *key) {
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(config, "config");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(inner, key);
    return item ? item : cJSON_GetObjectItemCaseSensitive(config, key);
}

const char *pnb_load_word(const pnb_safetensors *file, const cJSON *config, const char *key) {
    const char *text = pnb_safetensors_metadata(file, key);
    return text ? text : cJSON_GetStringValue(find_item(config, key));
}

double pnb_load_number(const pnb_safetensors *file, const cJSON *config, const char *key, double fallback) {
    const char *text = pnb_safetensors_metadata(file, key);
    if (text) {
        if (strcmp(text, "true") == 0 || strcmp(text, "True") == 0) return 1;
        char *end;
        double value = strtod(text, &end);
        if (end != text && *end == '\0' && isfinite(value)) return value;
    }
    const cJSON *item = find_item(config, key);
    if (cJSON_IsBool(item)) return cJSON_IsTrue(item);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

int32_t pnb_load_hint(const pnb_safetensors *file, const cJSON *config, const char *key, int32_t fallback) {
    double value = pnb_load_number(file, config, key, fallback);
    return value >= INT32_MIN && value <= INT32_MAX && value == floor(value) ? (int32_t)value : fallback;
}

pnb_status pnb_load_precondition(pnb_prior *p, const pnb_unet_source *s, const char *fallback, const char **word) {
    const char *given = pnb_load_word(s->file, s->config, "precond"), *name = given ? given : fallback;
    *word = name;
    if (strcmp(name, "vp") == 0) {
        p->schedule.time = PNB_TIME_VP;
    } else if (strcmp(name, "edm") == 0) {
        double sigma_data = pnb_load_number(s->file, s->config, "sigma_data", 0.5);
        if (!(sigma_data > 0))
            return pnb_fail(p->err, PNB_ERROR_MODEL, "its sigma_data should be over 0, found %g", sigma_data);
        p->schedule.time = PNB_TIME_EDM;
        p->precondition = (pnb_precondition){true, (float)sigma_data};
    } else if (strcmp(name, "none") != 0) {
        return pnb_fail(p->err, PNB_ERROR_MODEL, "its precond is '%s', known are vp, edm and none", name);
    }
    return PNB_OK;
}

/* ---- loading ------------------------------------------------------------------------------------------------------
 */

static pnb_status list_tensors(pnb_error *err, const pnb_safetensors *file, size_t prefix, pnb_tensor_info **out) {
    size_t count = pnb_safetensors_count(file);
    pnb_tensor_info *info = calloc(count ? count : 1, sizeof *info);
    if (!info) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "no memory for %zu names", count);
    *out = info;
    for (size_t i = 0; i < count; i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(file, i);
        info[i] = (pnb_tensor_info){.name = e->name + (strlen(e->name) > prefix ? prefix : 0), .rank = e->rank};
        if (e->rank > 4)
            return pnb_fail(err, PNB_ERROR_MODEL, "tensor '%s' has %u dimensions, at most 4 can be", e->name, e->rank);
        memcpy(info[i].shape, e->shape, e->rank * sizeof e->shape[0]);
    }
    return PNB_OK;
}

/* config.json in the same folder, or NULL. A reader that needs it complains. */
static cJSON *config_beside(const char *path) {
    cJSON *json = NULL;
    char *folder = pnb_path_folder(path), *name = folder ? pnb_path_join(folder, "config.json") : NULL;
    if (name && pnb_file_exists(name) && pnb_json_load(NULL, name, &json) != PNB_OK) json = NULL;
    free(folder);
    free(name);
    return json;
}

typedef struct loader {
    pnb_prior *prior;
    pnb_safetensors *file;
    size_t prefix;
} loader;

static pnb_status load_tensor(void *user, const char *name, pnb_shape shape) {
    loader *l = user;
    float *values = NULL;
    for (size_t i = 0; i < pnb_safetensors_count(l->file); i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(l->file, i);
        if (strlen(e->name) <= l->prefix || strcmp(e->name + l->prefix, name) != 0) continue;
        PNB_TRY(pnb_weights_add(&l->prior->weights, name, shape, PNB_STORAGE_FROZEN, &values));
        return pnb_safetensors_read_f32(l->file, e, values);
    }
    return pnb_fail(l->prior->err, PNB_ERROR_MODEL, "tensor '%s' is missing", name); /* the checks came before */
}

pnb_status pnb_unet_load(pnb_prior *p, const pnb_unet_reader *reader, pnb_safetensors *file) {
    pnb_tensor_info *info = NULL;
    cJSON *config = config_beside(pnb_safetensors_path(file));
    int32_t prefix = prefix_of(reader, file);
    loader l = {p, file, prefix > 0 ? (size_t)prefix : 0};
    pnb_unet_source source = {.file = file, .config = config};
    pnb_status status = PNB_OK;
    PNB_TRY_GOTO(list_tensors(p->err, file, l.prefix, &info));
    source.tensors = (pnb_tensor_list){info, pnb_safetensors_count(file)};
    PNB_TRY_GOTO(reader->read(p, &source));
    PNB_TRY_GOTO(pnb_unet_tensors(&p->unet, load_tensor, &l));
fail:
    free(info);
    cJSON_Delete(config);
    return status;
}
