/* A folder is gone on with only by the run that it belongs to: its resolved problem is compared, and what differs is named. */
#include "api/runs.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where two documents differ first. */
typedef struct difference {
    char key[128]; /* "method.steps", "means[1]" */
    const cJSON *there, *here; /* NULL: absent */
} difference;

static bool differ(const cJSON *there, const cJSON *here, const char *key, difference *d);

/* Whether member or element `child` of one document is another one in the other. */
static bool child_differs(const cJSON *child, int i, const cJSON *there, const cJSON *here, const char *key,
                          difference *d) {
    char inner[sizeof d->key];
    if (child->string) {
        snprintf(inner, sizeof inner, "%.60s%s%.60s", key, *key ? "." : "", child->string);
        there = cJSON_GetObjectItemCaseSensitive(there, child->string);
        here = cJSON_GetObjectItemCaseSensitive(here, child->string);
    } else {
        snprintf(inner, sizeof inner, "%.100s[%d]", key, i);
        there = cJSON_GetArrayItem(there, i);
        here = cJSON_GetArrayItem(here, i);
    }
    return differ(there, here, inner, d);
}

static bool differ(const cJSON *there, const cJSON *here, const char *key, difference *d) {
    if (cJSON_Compare(there, here, 1)) return false;
    const cJSON *sides[] = {there, here};
    bool inside = (cJSON_IsObject(there) && cJSON_IsObject(here)) || (cJSON_IsArray(there) && cJSON_IsArray(here));
    for (int s = 0; s < 2 && inside; s++) {
        int i = 0;
        for (const cJSON *c = sides[s]->child; c; c = c->next) {
            if (child_differs(c, i++, there, here, key, d)) return true;
        }
    }
    snprintf(d->key, sizeof d->key, "%s", key);
    d->there = there;
    d->here = here;
    return true;
}

static void value_text(const cJSON *value, char text[64]) {
    char *printed = value ? cJSON_PrintUnformatted(value) : NULL;
    snprintf(text, 64, "%.60s", printed ? printed : "absent");
    free(printed);
}

cJSON *pnb_run_identity(pnb_run *r) {
    cJSON *identity = cJSON_CreateObject(), *part = NULL;
    if (r->problem) {
        (void)pnb_problem_object(r->problem, r->options, &part);
    } else {
        part = cJSON_Duplicate(r->sampling, 1);
    }
    if (identity && part && cJSON_AddItemToObject(identity, r->problem ? "problem" : "sampling", part)) return identity;
    cJSON_Delete(part);
    cJSON_Delete(identity);
    pnb_no_memory(&r->ctx->error, "run");
    return NULL;
}

pnb_status pnb_check_same(pnb_error *err, const cJSON *there, const cJSON *here, const char *name, const char *path) {
    difference d = {"", NULL, NULL};
    char texts[2][64];
    if (!differ(there, here, there ? "" : name, &d)) return PNB_OK;
    value_text(d.there, texts[0]);
    value_text(d.here, texts[1]);
    return pnb_fail(err, PNB_ERROR_INPUT,
                    "'%s' is of another run: %s is %s there and %s here; resume with the settings of the first "
                    "run, or choose another folder, or overwrite",
                    path, d.key, texts[0], texts[1]);
}

pnb_status pnb_run_check_same(pnb_run *r, const cJSON *json, const char *path) {
    cJSON *mine = pnb_run_identity(r);
    if (!mine) return PNB_ERROR_OUT_OF_MEMORY;
    const char *name = mine->child->string;
    const cJSON *theirs = cJSON_GetObjectItemCaseSensitive(json, name);
    pnb_status status = pnb_check_same(&r->ctx->error, theirs, mine->child, name, path);
    cJSON_Delete(mine);
    return status;
}

pnb_status pnb_run_check_complete(pnb_run *r, const char *folder) {
    cJSON *json = NULL;
    char *path = pnb_path_join(folder, "run.json");
    if (!path) return pnb_no_memory(&r->ctx->error, folder);
    pnb_status status = pnb_json_load(&r->ctx->error, path, &json);
    if (status == PNB_OK) status = pnb_run_check_same(r, json, path);
    cJSON_Delete(json);
    free(path);
    return status;
}
