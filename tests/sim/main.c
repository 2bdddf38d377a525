/*
 * sim - whole nodes in one process, on virtual time, from seeds.
 *
 *   sim [--trace] [--twice] SEED...        run these seeds
 *   sim [--twice] --seconds N --from SEED  run fresh seeds for about N seconds
 *   sim --file F                           run the seeds in file F, one a line, each with "twins" or
 *                                          "liars" behind it if need be ("#": a comment)
 *   sim --fork ...                         the scenario of a fork, with any of these
 *   sim --twins ..., sim --liars ...       what the faulty ones are, whatever the seed (scenario.h)
 *
 * --twice runs every seed two times and compares: a seed must replay exactly. Exit 0: all held; 1: one did
 * not, its seed and what broke were printed (run it again with --trace).
 */
#include "config.h"
#include "sim/scenario.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/secret.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
        bool trace, twice, fork;
        enum scenario_cast cast;
        uint64_t seconds, from;
        const char *file;
};

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

static bool
run_once(uint64_t seed, const struct options *o, struct scenario_result *out)
{
        char dir[] = "/tmp/lxsim-XXXXXX";
        FILE *trace = o->trace ? stdout : NULL;
        bool held;

        if (mkdtemp(dir) == NULL) {
                perror("sim: a directory in /tmp");
                exit(2);
        }
        held = o->fork ? scenario_fork(seed, dir, trace, out)
                       : scenario_run(seed, o->cast, dir, trace, out);
        (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return held;
}

static bool
run_seed(uint64_t seed, const struct options *o)
{
        uint64_t start = lx_clock_now_ms();
        struct scenario_result result, again;
        bool held = run_once(seed, o, &result);

        if (held && o->twice) {
                (void)run_once(seed, o, &again);
                if (again.digest != result.digest || again.events != result.events) {
                        printf(
                            "FAIL seed %llu: the second run of the seed differs from the first\n",
                            (unsigned long long)seed);
                        return false;
                }
        }
        printf("%s seed %llu: height %llu, %llu transactions, %llu events, %llu virtual s in %llu "
               "ms%s%s\n",
            held ? "ok" : "FAIL", (unsigned long long)seed, (unsigned long long)result.height,
            (unsigned long long)result.final, (unsigned long long)result.events,
            (unsigned long long)result.virtual_ms / 1000,
            (unsigned long long)(lx_clock_now_ms() - start), held ? "" : ": ", result.text);
        (void)fflush(stdout);
        return held;
}

/* "SEED", "SEED twins" or "SEED liars". */
static bool
run_line(const char *line, const struct options *o)
{
        struct options how = *o;
        char *end;
        uint64_t seed = strtoull(line, &end, 10);

        end += strspn(end, " ");
        if (strncmp(end, "twins", 5) == 0)
                how.cast = SCENARIO_TWINS;
        else if (strncmp(end, "liars", 5) == 0)
                how.cast = SCENARIO_LIARS;
        return run_seed(seed, &how);
}

static int
run_file(const struct options *o)
{
        FILE *f = fopen(o->file, "r");
        char line[256];
        int status = 0;

        if (f == NULL) {
                perror(o->file);
                return 2;
        }
        while (fgets(line, sizeof(line), f) != NULL)
                if (line[0] != '#' && line[0] != '\n' && !run_line(line, o))
                        status = 1;
        (void)fclose(f);
        return status;
}

static int
run_fresh(const struct options *o)
{
        uint64_t end = lx_clock_now_ms() + o->seconds * 1000, seed = o->from;

        while (lx_clock_now_ms() < end)
                if (!run_seed(seed++, o))
                        return 1;
        printf("%llu seeds held\n", (unsigned long long)(seed - o->from));
        return 0;
}

int
main(int argc, char **argv)
{
        struct options o = {0};
        int status = 0, i = 1;

        if (lx_crypto_init() != LX_OK || lx_log_set_level("error") != LX_OK)
                return 2;
        for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
                if (strcmp(argv[i], "--trace") == 0)
                        o.trace = lx_log_set_level("notice") == LX_OK &&
                                  setvbuf(stdout, NULL, _IOLBF, 0) == 0;
                else if (strcmp(argv[i], "--twice") == 0)
                        o.twice = true;
                else if (strcmp(argv[i], "--fork") == 0)
                        o.fork = true;
                else if (strcmp(argv[i], "--twins") == 0)
                        o.cast = SCENARIO_TWINS;
                else if (strcmp(argv[i], "--liars") == 0)
                        o.cast = SCENARIO_LIARS;
                else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
                        o.seconds = strtoull(argv[++i], NULL, 10);
                else if (i + 1 < argc && strcmp(argv[i], "--from") == 0)
                        o.from = strtoull(argv[++i], NULL, 10);
                else if (i + 1 < argc && strcmp(argv[i], "--file") == 0)
                        o.file = argv[++i];
                else
                        return 2;
        }
        if (o.file != NULL)
                status = run_file(&o);
        for (; i < argc; i++)
                if (!run_seed(strtoull(argv[i], NULL, 10), &o))
                        status = 1;
        return o.seconds > 0 && status == 0 ? run_fresh(&o) : status;
}
