/* Settings as keys and values of pnb_problem_set. */
#include "cli/overrides.h"

#include <stdio.h>
#include <string.h>

int cli_check_assignments(const cli_command *command, const cli_texts *set) {
    for (size_t i = 0; i < set->count; i++) {
        if (!strchr(set->items[i], '='))
            return cli_usage(command, "--set: expected KEY=VALUE, found '%s'", set->items[i]);
    }
    return CLI_GO_ON;
}

static pnb_status set_whole(pnb_problem *problem, const char *key, const cli_whole *v) {
    char text[32];
    if (!v || !v->given) return PNB_OK;
    snprintf(text, sizeof text, "%llu", (unsigned long long)v->value);
    return pnb_problem_set(problem, key, text);
}

static pnb_status set_one(pnb_problem *problem, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    char key[128];
    bool own = strncmp(assignment, "noise.", 6) == 0 || strncmp(assignment, "method.", 7) == 0;
    snprintf(key, sizeof key, "%s%.*s", own ? "" : "method.", (int)(equals - assignment), assignment);
    return pnb_problem_set(problem, key, equals + 1);
}

pnb_status cli_apply_overrides(const cli_args *args, const cli_overrides *o, pnb_problem *problem) {
    pnb_status status = o->method ? pnb_problem_set(problem, "method", o->method) : PNB_OK;
    for (size_t i = 0; i < o->set->count && status == PNB_OK; i++) status = set_one(problem, o->set->items[i]);
    if (status == PNB_OK) status = set_whole(problem, "method.particles", o->particles);
    if (status == PNB_OK) status = set_whole(problem, "method.steps", o->steps);
    if (status == PNB_OK) status = set_whole(problem, "seed", &args->common.seed);
    return status;
}
