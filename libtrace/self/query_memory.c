/* SPDX-License-Identifier: MIT
 *
 * See query_memory.h. */
#include "query_memory.h"

#include <sys/mman.h>

void *query__memory(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

void *query__memory_resize(void *memory, size_t old_bytes, size_t new_bytes) {
    if (!memory) return query__memory(new_bytes);
    void *moved = mremap(memory, old_bytes, new_bytes, MREMAP_MAYMOVE);
    return moved != MAP_FAILED ? moved : NULL;
}

void query__memory_free(void *memory, size_t bytes) {
    if (memory) munmap(memory, bytes);
}
