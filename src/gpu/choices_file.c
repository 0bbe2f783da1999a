/* The tuner's table on disk, beside the pipeline cache: one JSON file a device, driver and library version.
 *
 *     {"format": "penumbra choices 1", "device": "...", "identity": "10005-0000-00000001-<uuid>-0.1.0",
 *      "choices": {"conv2d 3x3 n16 c32 o32 32x32": "winograd 4"}}
 *
 * A file that is torn, foreign or not as written here is ignored with a warning: nothing needs it to be correct. */
#include "base/file.h"
#include "base/str.h"
#include "gpu/internal.h"
#include "io/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CHOICES = 100000, LONGEST_TEXT = 200 };
static const char format[] = "penumbra choices 1";

static char *identity_of(const pnb_gpu_caps *caps) {
    char uuid[PNB_UUID_TEXT_SIZE];
    return pnb_format("%04x-%04x-%08x-%s-%s", caps->vendor_id, caps->device_id, caps->driver_version,
                      pnb_uuid_text(caps->uuid, uuid), PNB_VERSION);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static pnb_status read_choices(pnb_choices *c, const pnb_json *choices) {
    if (!choices->value) return pnb_json_expected(choices, "an object");
    if (cJSON_GetArraySize(choices->value) > MOST_CHOICES) return pnb_json_expected(choices, "fewer entries");
    for (const cJSON *item = choices->value->child; item; item = item->next) {
        pnb_json here = pnb_json_get(choices, item->string);
        size_t length = cJSON_IsString(item) ? strlen(item->valuestring) : 0;
        if (length == 0 || length > LONGEST_TEXT || item->string[0] == 0 || strlen(item->string) > LONGEST_TEXT) {
            return pnb_json_expected(&here, "the name of a candidate");
        }
        if (pnb_choices_find(c, item->string)) return pnb_json_expected(&here, "each key once");
        PNB_TRY(pnb_choices_set(c, item->string, item->valuestring));
    }
    return PNB_OK;
}

static pnb_status read_document(pnb_choices *c, const pnb_json *doc, const char *identity) {
    const char *text;
    pnb_json choices;
    PNB_TRY(pnb_json_string(doc, "format", "", &text));
    pnb_json here = pnb_json_get(doc, "format");
    if (strcmp(text, format) != 0) return pnb_json_expected(&here, "\"penumbra choices 1\"");
    PNB_TRY(pnb_json_known_keys(doc, (const char *const[]){"format", "device", "identity", "choices", NULL}));
    PNB_TRY(pnb_json_string(doc, "identity", "", &text));
    here = pnb_json_get(doc, "identity");
    if (strcmp(text, identity) != 0) return pnb_json_expected(&here, "this device, driver and library");
    PNB_TRY(pnb_json_object(doc, "choices", &choices));
    return read_choices(c, &choices);
}

pnb_status pnb_choices_load(pnb_choices *c, const pnb_gpu_caps *caps, const char *path, pnb_error *err) {
    cJSON *root = NULL;
    char *identity = identity_of(caps);
    if (!identity) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "tuning table: out of host memory");
    pnb_status status = pnb_json_load(err, path, &root);
    if (status == PNB_OK) {
        pnb_json doc = pnb_json_root(err, path, root);
        status = read_document(c, &doc, identity);
    }
    if (status != PNB_OK) pnb_choices_clear(c);
    cJSON_Delete(root);
    free(identity);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static cJSON *document(const pnb_choices *c, const pnb_gpu_caps *caps) {
    cJSON *root = cJSON_CreateObject();
    char *identity = identity_of(caps);
    cJSON *choices = NULL;
    bool ok = identity && cJSON_AddStringToObject(root, "format", format) &&
              cJSON_AddStringToObject(root, "device", caps->name) &&
              cJSON_AddStringToObject(root, "identity", identity) &&
              (choices = cJSON_AddObjectToObject(root, "choices")) != NULL;
    for (size_t i = 0; ok && i < pnb_choices_count(c); i++) {
        pnb_choice row = pnb_choices_at(c, i);
        ok = cJSON_AddStringToObject(choices, row.key, row.name) != NULL;
    }
    free(identity);
    if (ok) return root;
    cJSON_Delete(root);
    return NULL;
}

pnb_status pnb_choices_save(const pnb_choices *c, const pnb_gpu_caps *caps, const char *path, pnb_error *err) {
    cJSON *root = document(c, caps);
    char *folder = pnb_path_folder(path);
    pnb_status status = root && folder ? pnb_make_folders(err, folder)
                                       : pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "tuning table: out of host memory");
    if (status == PNB_OK) status = pnb_json_write(err, path, root);
    free(folder);
    cJSON_Delete(root);
    return status;
}

/* ---- with the device --------------------------------------------------------------------------------------------- */

void pnb_choices_open(pnb_gpu *gpu, const char *cache_dir) {
    pnb_error err = {PNB_OK, ""};
    char *identity = identity_of(&gpu->caps), *name = identity ? pnb_format("choices-%s.json", identity) : NULL;
    gpu->choices_path = name ? pnb_cache_path(cache_dir, name) : NULL;
    free(name);
    free(identity);
    if (gpu->params.no_tuning || !gpu->choices_path || !pnb_file_exists(gpu->choices_path)) return;
    if (pnb_choices_load(gpu->choices, &gpu->caps, gpu->choices_path, &err) != PNB_OK) {
        pnb_gpu_log(gpu, 1, "tuning table ignored: %s", err.message);
    }
}

pnb_status pnb_gpu_save_choices(pnb_gpu *gpu) {
    if (!gpu->choices_path)
        return pnb_fail(gpu->err, PNB_ERROR_USAGE, "tuning table: there is no cache folder to keep it in");
    return pnb_choices_save(gpu->choices, &gpu->caps, gpu->choices_path, gpu->err);
}

const char *pnb_gpu_choices_path(const pnb_gpu *gpu) {
    return gpu->choices_path ? gpu->choices_path : "";
}
