// Beside a waveform, a save file for GTKWave: every unit of the design is a group of its own. Included once by each
// shim.
#ifndef RISTRETTO_VERILATE_SHIM_WAVE_H
#define RISTRETTO_VERILATE_SHIM_WAVE_H

#if VM_TRACE
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "gtkwave/fstapi.h"

namespace
{
struct wave_group {
    std::string scope;
    size_t depth;
    std::vector<std::string> signals; // with their hierarchy
    std::vector<bool> wide;
};

// Of instances in a row, such as the lanes, the first stands for all. Loop variables are not shown.
bool is_shown(const std::string &scope)
{
    if (scope.find("unnamedblk") != std::string::npos)
        return false;
    for (size_t at = scope.find('['); at != std::string::npos; at = scope.find('[', at + 1))
        if (std::atoi(scope.c_str() + at + 1) != 0) // banned-ok: digits that Verilator wrote
            return false;
    return true;
}

// The groups in the order of the design. The scope above the top module holds its ports once more.
std::vector<wave_group> read_groups(const std::string &fst)
{
    std::vector<wave_group> groups;
    void *reader = fstReaderOpen(fst.c_str());
    if (reader == nullptr)
        return groups;
    std::vector<std::string> scopes;
    std::vector<size_t> open; // by depth: the scope's group
    while (const fstHier *h = fstReaderIterateHier(reader)) {
        if (h->htyp == FST_HT_SCOPE) {
            std::string path;
            scopes.emplace_back(h->u.scope.name);
            for (const std::string &s : scopes)
                path += (path.empty() ? "" : ".") + s;
            open.push_back(groups.size());
            groups.push_back({ path, scopes.size(), {}, {} });
        } else if (h->htyp == FST_HT_UPSCOPE && !scopes.empty()) {
            scopes.pop_back();
            open.pop_back();
        } else if (h->htyp == FST_HT_VAR && !open.empty()) {
            std::string name = h->u.var.name;
            const size_t space = name.find(' '); // between the name and its range
            if (space != std::string::npos)
                name.erase(space, 1);
            groups[open.back()].signals.push_back(groups[open.back()].scope + "." + name);
            groups[open.back()].wide.push_back(h->u.var.length > 1);
        }
    }
    fstReaderClose(reader);
    return groups;
}

// The caller looks whether it is there. A wave without it is still a wave.
void write_save_file(const std::string &fst, const std::string &save, const std::string &title)
{
    std::FILE *file = std::fopen(save.c_str(), "w"); // banned-ok: compiled without the base library
    if (file == nullptr)
        return;
    std::fprintf(file,
                 "[*] Signals of a co-simulation, a group for each unit. Cycle t begins at time 2 t.\n[dumpfile] "
                 "\"%s\"\n[size] 1600 900\n",
                 title.c_str());
    for (const wave_group &group : read_groups(fst)) {
        if (group.depth < 2 || group.signals.empty() || !is_shown(group.scope))
            continue;
        const bool is_top = group.depth == 2; // open, the others closed
        const std::string name = is_top ? group.scope.substr(group.scope.find('.') + 1)
                                        : group.scope.substr(group.scope.find('.', group.scope.find('.') + 1) + 1);
        std::fprintf(file, "%s\n-%s\n", is_top ? "@800200" : "@c00200", name.c_str());
        for (size_t i = 0; i < group.signals.size(); i++)
            std::fprintf(file, "%s\n%s\n", group.wide[i] ? "@22" : "@28", group.signals[i].c_str());
        std::fprintf(file, "%s\n-%s\n", is_top ? "@1000200" : "@1401200", name.c_str());
    }
    if (std::ferror(file) != 0) {
        std::fclose(file);
        std::remove(save.c_str());
    } else if (std::fclose(file) != 0) {
        std::remove(save.c_str());
    }
}
} // namespace
#endif

#endif
