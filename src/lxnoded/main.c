/* lxnoded/main.c - the daemon's entrance. */
#include "config.h"
#include "crypto/secret.h"
#include "lxnoded/light.h"
#include "lxnoded/node.h"
#include "lxnoded/peers.h"
#include "lxnoded/setup.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Exit status, as lxnoded(8) lists it. */
enum { EXIT_FINE = 0, EXIT_FOUND = 1, EXIT_BAD_USAGE = 2, EXIT_NO_START = 5 };

static int
complain(enum lx_err err, const struct lx_why *why)
{
        (void)fprintf(stderr, "lxnoded: %s\n", why->text[0] != '\0' ? why->text : lx_err_text(err));
        if (err == LX_ERR_USAGE)
                return EXIT_BAD_USAGE;
        return err == LX_ERR_CORRUPT ? EXIT_FOUND : EXIT_NO_START;
}

static enum lx_err
serve(const struct node_conf *conf, struct lx_why *why)
{
        struct lxnode *node = NULL;
        enum lx_err err = node_open(conf, &node, why);

        if (err != LX_OK)
                return err;
        err = node_run(node);
        if (err != LX_OK)
                lx_why_set(why, "stopped after an error of the store: %s", lx_err_text(err));
        node_close(node);
        return err;
}

static enum lx_err
serve_light(const struct node_conf *conf, struct lx_why *why)
{
        struct light_node *node = NULL;
        enum lx_err err = light_node_open(conf, &node, why);

        if (err != LX_OK)
                return err;
        err = light_node_run(node);
        light_node_close(node);
        if (err != LX_OK)
                lx_why_set(why, "stopped after an error of the light store: %s", lx_err_text(err));
        return err;
}

/* Keys never reach a core file. */
static void
forbid_cores(void)
{
        struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int
show_help(void)
{
        struct lx_buf help = {0};

        options_help(&help);
        (void)fputs(lx_buf_str(&help), stdout);
        lx_buf_clear(&help);
        return EXIT_FINE;
}

int
main(int argc, char **argv)
{
        struct node_conf conf = {0};
        struct lx_why why = {{0}};
        enum lx_err err = options_read(argc, argv, &conf, &why);
        int status = EXIT_FINE;

        if (err == LX_OK && conf.help)
                status = show_help();
        else if (err == LX_OK && conf.version)
                printf("lxnoded %s\n", PACKAGE_VERSION);
        else {
                if (err == LX_OK)
                        err = lx_crypto_init();
                if (err == LX_OK)
                        err = setup_log(&conf, &why);
                if (err == LX_OK)
                        err = setup_check_places(&conf, &why);
                if (err == LX_OK)
                        err = peers_check(&conf, &why);
                if (err == LX_OK)
                        err = light_node_check(&conf, &why);
                if (err == LX_OK && conf.check_config)
                        printf("the configuration is fine\n");
                else if (err == LX_OK && conf.check_db)
                        err = node_check_db(&conf, &why);
                else if (err == LX_OK && conf.restore != NULL)
                        err = node_restore(&conf, &why);
                else if (err == LX_OK && (conf.hand_over != NULL || conf.take_over != NULL))
                        err = node_move(&conf, &why);
                else if (err == LX_OK && conf.rollback)
                        err = node_rollback(&conf, &why);
                else if (err == LX_OK) {
                        forbid_cores();
                        err = conf.light ? serve_light(&conf, &why) : serve(&conf, &why);
                }
                status = err == LX_OK ? EXIT_FINE : complain(err, &why);
                if (conf.restore != NULL && (err == LX_ERR_ABSENT || err == LX_ERR_EXISTS))
                        status = EXIT_BAD_USAGE;
        }
        options_clear(&conf);
        return status;
}
