/* A folder is gone on with only by the run that it belongs to: its resolved problem is compared, and what differs is named. The
 * run keeps the kernels that it began with, since its bytes depend on them. */
#include "api/runs.h"
#include "gpu/choices.h"
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

const char *pnb_run_kind(const pnb_run *r) {
    return !r->sampling ? "problem" : r->problem ? "reconstruction" : "sampling";
}

cJSON *pnb_run_identity(pnb_run *r) {
    cJSON *identity = cJSON_CreateObject(), *part = NULL;
    if (r->sampling) {
        part = cJSON_Duplicate(r->sampling, 1);
    } else {
        (void)pnb_problem_object(r->problem, r->options, &part);
    }
    if (identity && part && cJSON_AddItemToObject(identity, pnb_run_kind(r), part)) return identity;
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

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

bool pnb_run_add_kernels(const pnb_run *r, cJSON *object) {
    cJSON *kernels = cJSON_AddObjectToObject(object, "kernels");
    pnb_program *p;
    for (uint32_t i = 0; kernels && (p = pnb_solver_get_program(r->solver, i)) != NULL; i++) {
        size_t count;
        const pnb_choice_made *made = pnb_program_choices(p, &count);
        for (size_t k = 0; k < count; k++) {
            if (cJSON_GetObjectItemCaseSensitive(kernels, made[k].key)) continue;
            if (!cJSON_AddStringToObject(kernels, made[k].key, made[k].name)) return false;
        }
    }
    return kernels != NULL;
}

/* The kernels by key as a table. */
static pnb_status read_kernels(pnb_error *err, const cJSON *kernels, pnb_choices **out) {
    const cJSON *k;
    PNB_TRY(pnb_choices_create(err, out));
    cJSON_ArrayForEach(k, kernels) {
        pnb_status status = cJSON_IsString(k) ? pnb_choices_set(*out, k->string, k->valuestring) : PNB_OK;
        if (status == PNB_OK) continue;
        pnb_choices_destroy(out);
        return status;
    }
    return PNB_OK;
}

/* The programs once more, with those kernels; the old ones stay where that fails. */
static pnb_status build_again(pnb_run *r, const pnb_choices *kernels) {
    pnb_gpu *gpu;
    pnb_solver *solver = NULL;
    void *options = NULL;
    pnb_error *err = &r->ctx->error;
    PNB_TRY(pnb_context_gpu(r->ctx, &gpu));
    pnb_choices_pin(pnb_gpu_choices(gpu), kernels);
    pnb_status status = pnb_run_reconstructs(r) ? pnb_run_reconstructor(r, &solver)
                        : r->problem            ? pnb_problem_solver(r->problem, false, &options, &solver)
                                   : pnb_sampler_create(err, gpu, r->model->prior, &r->sampler, &solver);
    pnb_choices_pin(pnb_gpu_choices(gpu), NULL);
    if (status != PNB_OK) {
        free(options);
        return status;
    }
    pnb_solver_destroy(&r->solver);
    free(r->options);
    r->solver = solver;
    r->options = options;
    return PNB_OK;
}

pnb_status pnb_run_take_kernels(pnb_run *r, const cJSON *json) {
    const cJSON *theirs = cJSON_GetObjectItemCaseSensitive(json, "kernels");
    cJSON *mine = cJSON_CreateObject();
    pnb_choices *kernels = NULL;
    pnb_status status = PNB_OK;
    if (!mine || !pnb_run_add_kernels(r, mine)) status = pnb_no_memory(&r->ctx->error, "run");
    bool same = !cJSON_IsObject(theirs) || cJSON_Compare(theirs, cJSON_GetObjectItem(mine, "kernels"), 1);
    if (status == PNB_OK && !same) status = read_kernels(&r->ctx->error, theirs, &kernels);
    if (kernels) status = build_again(r, kernels);
    pnb_choices_destroy(&kernels);
    cJSON_Delete(mine);
    return status;
}
