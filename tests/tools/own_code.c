/* own_code: makes executable memory without a file, says so, and waits to be found: for the tests of the memory pass. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int
main(void)
{
        if (mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
                return 1;
        printf("here\n");
        if (fflush(stdout) != 0)
                return 1;
        (void)sleep(100);
        return 0;
}
