/* U-Nets from checkpoints: which code base a file is of, and its weights. */
#include "base/file.h"
#include "io/json.h"
#include "prior/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const pnb_unet_reader *const readers[] = {&pnb_adm_reader, &pnb_edm_reader, &pnb_diffusers_reader};

/* ---- recognising --------------------------------------------------------------------------------------------------
 */

/* Is it a name of averaged weights: "ema.", "model_ema.", "state.ema_model."? */
static bool is_average(pnb_prefix p) {
    for (size_t i = 0; i + 3 <= p.length; i++) {
        char before = i ? p.text[i - 1] : '.', after = i + 3 < p.length ? p.text[i + 3] : '.';
        if (strncmp(p.text + i, "ema", 3) == 0 && strchr("._", before) && strchr("._", after)) return true;
    }
    return false;
}

bool pnb_unet_find_mark(const char *mark, const pnb_tensor_file *file, pnb_prefix *prefix) {
    size_t length = strlen(mark);
    bool found = false;
    for (size_t i = 0; i < pnb_tensor_file_count(file); i++) {
        const char *name = pnb_tensor_file_at(file, i).name;
        size_t n = strlen(name);
        if (n < length || strcmp(name + n - length, mark) != 0 || (n > length && name[n - length - 1] != '.')) continue;
        pnb_prefix p = {name, n - length};
        if (found && !(is_average(p) && !is_average(*prefix))) continue;
        *prefix = p;
        found = true;
    }
    return found;
}

const pnb_unet_reader *pnb_unet_recognise(const pnb_tensor_file *file, const char *word, pnb_prefix *prefix) {
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        *prefix = (pnb_prefix){"", 0};
        bool there = pnb_unet_find_mark(readers[i]->mark, file, prefix);
        if (word ? strcmp(word, readers[i]->name) == 0 : there) return readers[i];
    }
    return NULL;
}

/* ---- hints --------------------------------------------------------------------------------------------------------
 */

static const cJSON *find_item(const cJSON *config, const char *key) {
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(config, "config");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(inner, key);
    return item ? item : cJSON_GetObjectItemCaseSensitive(config, key);
}

const char *pnb_load_word(const pnb_tensor_file *file, const cJSON *config, const char *key) {
    const char *text = pnb_tensor_file_metadata(file, key);
    return text ? text : cJSON_GetStringValue(find_item(config, key));
}

double pnb_load_number(const pnb_tensor_file *file, const cJSON *config, const char *key, double fallback) {
    const char *text = pnb_tensor_file_metadata(file, key);
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

int32_t pnb_load_hint(const pnb_tensor_file *file, const cJSON *config, const char *key, int32_t fallback) {
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

static bool starts_with(const char *name, pnb_prefix p) {
    return strncmp(name, p.text, p.length) == 0 && name[p.length];
}

/* Names that begin with the prefix, without it; what else a checkpoint holds (optimizers, other copies) is passed over. */
static pnb_status list_tensors(pnb_error *err, const pnb_tensor_file *file, pnb_prefix prefix, pnb_tensor_info *info,
                               size_t *count) {
    *count = 0;
    for (size_t i = 0; i < pnb_tensor_file_count(file); i++) {
        pnb_tensor_entry e = pnb_tensor_file_at(file, i);
        if (!starts_with(e.name, prefix)) continue;
        pnb_tensor_info *t = &info[(*count)++];
        *t = (pnb_tensor_info){.name = e.name + prefix.length, .rank = e.rank};
        if (e.rank > 4)
            return pnb_fail(err, PNB_ERROR_MODEL, "tensor '%s' has %u dimensions, at most 4 can be", e.name, e.rank);
        memcpy(t->shape, e.shape, e.rank * sizeof e.shape[0]);
    }
    return PNB_OK;
}

/* What convert has put into the metadata, else config.json in the same folder, or NULL. A reader that needs it
 * complains. */
static cJSON *config_of(const pnb_tensor_file *file) {
    cJSON *json = NULL;
    const char *text = pnb_tensor_file_metadata(file, "config");
    if (text) return pnb_json_parse(NULL, "config", text, strlen(text), &json) == PNB_OK ? json : NULL;
    char *folder = pnb_path_folder(pnb_tensor_file_path(file));
    char *name = folder ? pnb_path_join(folder, "config.json") : NULL;
    if (name && pnb_file_exists(name) && pnb_json_load(NULL, name, &json) != PNB_OK) json = NULL;
    free(folder);
    free(name);
    return json;
}

typedef struct loader {
    pnb_prior *prior;
    pnb_tensor_file *file;
    pnb_prefix prefix;
} loader;

static pnb_status load_tensor(void *user, const char *name, pnb_shape shape) {
    loader *l = user;
    float *values = NULL;
    for (size_t i = 0; i < pnb_tensor_file_count(l->file); i++) {
        const char *full = pnb_tensor_file_at(l->file, i).name;
        if (!starts_with(full, l->prefix) || strcmp(full + l->prefix.length, name) != 0) continue;
        PNB_TRY(pnb_weights_add(&l->prior->weights, name, shape, PNB_STORAGE_FROZEN, &values));
        return pnb_tensor_file_read_f32(l->file, i, values);
    }
    return pnb_fail(l->prior->err, PNB_ERROR_MODEL, "tensor '%s' is missing", name); /* the checks came before */
}

pnb_status pnb_unet_load(pnb_prior *p, const pnb_unet_reader *reader, pnb_prefix prefix, pnb_tensor_file *file) {
    size_t count = pnb_tensor_file_count(file);
    pnb_tensor_info *info = calloc(count + 1, sizeof *info);
    if (!info) return pnb_fail(p->err, PNB_ERROR_OUT_OF_MEMORY, "no memory for %zu names", count);
    cJSON *config = config_of(file);
    loader l = {p, file, prefix};
    pnb_unet_source source = {.tensors = {.tensors = info}, .file = file, .config = config};
    pnb_status status = list_tensors(p->err, file, prefix, info, &source.tensors.count);
    if (status == PNB_OK) status = reader->read(p, &source);
    if (status == PNB_OK) status = pnb_unet_tensors(&p->unet, load_tensor, &l);
    free(info);
    cJSON_Delete(config);
    return status;
}
