// The header as C++: every initialiser of a parameter struct, and one call.
#include <penumbra/penumbra.h>

#include <cstring>

int main() {
    pnb_context_params context = PNB_CONTEXT_DEFAULTS;
    pnb_problem_params problem = PNB_PROBLEM_DEFAULTS;
    pnb_predict_params predict = PNB_PREDICT_DEFAULTS;
    pnb_sample_params sample = PNB_SAMPLE_DEFAULTS;
    pnb_solve_params solve = PNB_SOLVE_DEFAULTS;
    pnb_bench_params bench = PNB_BENCH_DEFAULTS;
    bool sizes = context.struct_size == sizeof context && problem.struct_size == sizeof problem &&
                 predict.struct_size == sizeof predict && sample.struct_size == sizeof sample &&
                 solve.struct_size == sizeof solve && bench.struct_size == sizeof bench;
    return sizes && std::strlen(pnb_version()) > 0 ? 0 : 1;
}
