/* Self-test of the ops on the device at hand, from the case lists beside each op. */
#include "api/filter.h"
#include "api/handles.h"
#include "ops/suite.h"

typedef struct selftest {
    pnb_context *ctx;
    pnb_gpu *gpu;
    int (*report)(void *user, const pnb_check *check);
    void *user;
    size_t failed, run;
} selftest;

static pnb_status run_suite(selftest *t, const pnb_op_suite *suite) {
    for (size_t i = 0; i < suite->count; i++) {
        if (suite->cases[i].bench) continue; /* too large for the fp64 reference */
        pnb_case_result r = {0};
        PNB_TRY(pnb_op_case_run(t->gpu, &t->ctx->error, suite, &suite->cases[i], &r));
        t->run++;
        t->failed += !r.passed;
        pnb_check check = {sizeof check, r.op, r.name, r.forward_error, r.gradient_error, r.passed, r.why};
        if (t->report && t->report(t->user, &check)) {
            return pnb_fail(&t->ctx->error, PNB_ERROR_CANCELLED, "self-test: cancelled after %zu cases", t->run);
        }
    }
    return PNB_OK;
}

pnb_status pnb_selftest(pnb_context *ctx, const char *ops, int (*report)(void *user, const pnb_check *check),
                        void *user, size_t *failed) {
    if (!ctx) return PNB_ERROR_USAGE;
    selftest t = {.ctx = ctx, .report = report, .user = user};
    pnb_filter f;
    PNB_TRY(pnb_filter_init(&ctx->error, "ops", ops, &f));
    pnb_status status = pnb_context_gpu(ctx, &t.gpu);
    size_t count;
    const pnb_op_suite *const *suites = pnb_op_suites(&count);
    for (size_t i = 0; status == PNB_OK && i < count; i++) {
        if (pnb_filter_takes(&f, suites[i]->op)) status = run_suite(&t, suites[i]);
    }
    pnb_filter_finish(&f);
    if (failed) *failed = t.failed;
    if (status == PNB_OK && t.run == 0) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "ops: no op has a name that matches '%s'", ops ? ops : "");
    }
    return status;
}
