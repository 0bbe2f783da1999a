/* Progress on a terminal, as lines or as JSON; and Ctrl-C: the first one finishes the step, a second one exits at once. */
#include "cli/cli.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The only state that a signal handler may touch. */
static volatile sig_atomic_t stop_asked, say_stop;

static void on_signal(int number) {
    (void)number;
    if (stop_asked) _exit(PNB_ERROR_CANCELLED);
    stop_asked = 1;
    if (!say_stop) return;
    static const char text[] = "\nstopping after this step, with what there is; again to exit at once\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
}

void cli_catch_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    say_stop = isatty(STDERR_FILENO);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction hangup;
    bool kept = sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler == SIG_IGN; /* nohup */
    if (!kept) sigaction(SIGHUP, &action, NULL);
}

bool cli_stopped(void) {
    return stop_asked != 0;
}

const char *cli_duration(double seconds, char *buffer, size_t bytes) {
    if (!isfinite(seconds) || seconds < 0) {
        snprintf(buffer, bytes, "?");
        return buffer;
    }
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600) {
        snprintf(buffer, bytes, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(buffer, bytes, "%lu:%02lu", s / 60, s % 60);
    }
    return buffer;
}

bool cli_progress_init(const cli_args *args, cli_progress *p) {
    static const char *const words[] = {"none", "bar", "plain", "json"};
    *p = (cli_progress){.mode = isatty(STDERR_FILENO) ? CLI_PROGRESS_BAR : CLI_PROGRESS_PLAIN};
    const char *how = args->common.progress;
    if (args->common.quiet) p->mode = CLI_PROGRESS_NONE;
    if (!how || strcmp(how, "auto") == 0) return true;
    for (int i = 0; i < 4; i++) {
        if (strcmp(how, words[i]) != 0) continue;
        p->mode = i;
        return true;
    }
    cli_usage(args->command, "--progress: expected auto, plain, json or none, found '%s'", how);
    return false;
}

/* What is shown of the losses: those that there are. */
static void losses_text(const pnb_progress *s, char *out, size_t bytes) {
    const double values[] = {s->loss_data, s->loss_prior, s->loss_auxiliary, s->loss_training, s->loss_validation};
    static const char *const names[] = {"data", "prior", "auxiliary", "loss", "validation"};
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < 5; i++) {
        if (!isfinite(values[i]) || used >= bytes) continue;
        used += (size_t)snprintf(out + used, bytes - used, "  %s %.3g", names[i], values[i]);
    }
}

static void show_bar(cli_progress *p, const pnb_progress *s) {
    enum { WIDTH = 24 };
    char bar[WIDTH + 1], left[24], losses[96];
    int filled = (int)((double)s->step * WIDTH / s->steps);
    for (int i = 0; i < WIDTH; i++) bar[i] = i < filled ? '=' : i == filled ? '>' : ' ';
    bar[WIDTH] = 0;
    losses_text(s, losses, sizeof losses);
    double rate = s->seconds_left > 0 ? (s->steps - s->step) / s->seconds_left
                  : s->seconds > 0    ? s->step / s->seconds
                                      : 0;
    fprintf(stderr, "\r[%s] %u/%u  %s  %.3g steps/s  %s left%s\033[K", bar, s->step, s->steps, s->phase, rate,
            cli_duration(s->seconds_left, left, sizeof left), losses);
    fflush(stderr);
    p->line_open = true;
}

static void show_plain(const pnb_progress *s) {
    char left[24], losses[96];
    losses_text(s, losses, sizeof losses);
    fprintf(stderr, "step %u/%u  %s  %s left%s\n", s->step, s->steps, s->phase,
            cli_duration(s->seconds_left, left, sizeof left), losses);
}

static void add_number(cJSON *object, const char *key, double value) {
    if (isfinite(value)) {
        cJSON_AddNumberToObject(object, key, value);
    } else {
        cJSON_AddNullToObject(object, key);
    }
}

static void show_json(const pnb_progress *s) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "step", s->step);
    cJSON_AddNumberToObject(json, "steps", s->steps);
    cJSON_AddStringToObject(json, "phase", s->phase);
    add_number(json, "seconds", s->seconds);
    add_number(json, "seconds_left", s->seconds_left);
    cJSON *loss = cJSON_AddObjectToObject(json, "loss");
    add_number(loss, "data", s->loss_data);
    add_number(loss, "prior", s->loss_prior);
    add_number(loss, "auxiliary", s->loss_auxiliary);
    if (isfinite(s->loss_training)) add_number(loss, "training", s->loss_training);
    if (isfinite(s->loss_validation)) add_number(loss, "validation", s->loss_validation);
    char *text = cJSON_PrintUnformatted(json);
    if (text) printf("%s\n", text);
    fflush(stdout);
    free(text);
    cJSON_Delete(json);
}

int cli_progress_step(void *user, const pnb_progress *s) {
    cli_progress *p = user;
    bool last = s->step == s->steps;
    p->last = *s;
    if (p->mode != CLI_PROGRESS_NONE && (last || s->seconds >= p->next)) {
        double pause = p->mode == CLI_PROGRESS_PLAIN  ? fmax(2, 0.05 * s->seconds)
                       : p->mode == CLI_PROGRESS_JSON ? 0.5
                                                      : 0.1;
        p->next = s->seconds + pause;
        if (p->mode == CLI_PROGRESS_BAR) show_bar(p, s);
        if (p->mode == CLI_PROGRESS_PLAIN) show_plain(s);
        if (p->mode == CLI_PROGRESS_JSON) show_json(s);
    }
    if (!cli_stopped()) return 0;
    if (p->mode != CLI_PROGRESS_NONE && !p->said_stop) {
        cli_progress_end(p);
        fprintf(stderr, "stopping: writing what there is (once more to exit at once)\n");
        p->said_stop = true;
    }
    return 1;
}

void cli_progress_end(cli_progress *p) {
    if (p->line_open) fprintf(stderr, "\n");
    p->line_open = false;
}

void cli_progress_wrote(const cli_progress *p, const char *output) {
    char duration[24];
    const pnb_progress *last = &p->last;
    if (last->step == 0) {
        fprintf(stderr, "'%s' is complete already\n", output);
        return;
    }
    fprintf(stderr, "wrote %s: %u of %u steps in %s", output, last->step, last->steps,
            cli_duration(last->seconds, duration, sizeof duration));
    if (isfinite(last->loss_training)) fprintf(stderr, ", loss %.4g", last->loss_training);
    if (isfinite(last->loss_validation)) fprintf(stderr, ", validation %.4g", last->loss_validation);
    fprintf(stderr, "\n");
}
