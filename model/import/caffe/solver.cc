// Caffe's solver file -> rs_solver_param.
#include <cmath>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/memory.h"
#include "import/caffe/caffe.h"
#include "import/caffe/caffe.pb.h"
#include "import/caffe/text.h"

namespace ristretto
{
namespace
{

using Block = Owned<char>;
struct FreeSolver {
    void operator()(rs_solver_param *solver) const
    {
        rs_solver_param_free(solver);
    }
};

class SolverReader
{
  public:
    SolverReader(const Text &text, const caffe::SolverParameter &file, Report *report)
        : node_(Node::root(text, file)), file_(file), report_(report), out_(RS_NEW(rs_solver_param))
    {
        if (out_ == nullptr)
            throw std::bad_alloc();
    }

    void read(rs_solver_param **solver)
    {
        out_->path = copy_text(node_.text().path);
        unsupported();
        net();
        method();
        learning_rate();
        counts();
        snapshots();
        if (!report_->has_errors())
            *solver = out_.release();
    }

  private:
    void bad(const char *field, const std::string &hint, const std::string &what, int index = -1)
    {
        report_->error(node_.at(field, index), hint, what);
    }
    void missing(const char *field)
    {
        bad(field, "", std::string("the solver file has no ") + field);
    }

    double number(const char *field, float value, double min, double below = INFINITY)
    {
        if (std::isfinite(value) && value >= min && value < below)
            return value;
        std::string range = "a finite number";
        if (min > -INFINITY)
            range = "at least " + text_of(min);
        if (below < INFINITY)
            range += " and less than " + text_of(below);
        bad(field, "", std::string(field) + " is " + text_of(value) + ", expected " + range);
        return 0;
    }
    int64_t count(const char *field, int64_t value, int64_t min)
    {
        if (value < min)
            bad(field, "",
                std::string(field) + " is " + std::to_string(value) + ", expected at least " + std::to_string(min));
        return value;
    }
    static std::string text_of(double value)
    {
        char buffer[32];
        std::snprintf(buffer, sizeof buffer, "%g", value);
        return buffer;
    }

    // What Caffe would act on and Ristretto does not.
    void unsupported()
    {
        const std::pair<const char *, bool> fields[] = {
            { "net_param", file_.has_net_param() },
            { "train_net_param", file_.has_train_net_param() },
            { "test_net_param", file_.test_net_param_size() > 0 },
            { "test_net", file_.test_net_size() > 0 },
            { "train_state", file_.has_train_state() },
            { "test_state", file_.test_state_size() > 0 },
        };
        for (const auto &f : fields)
            if (f.second)
                bad(f.first, "one prototxt, named by 'net', describes the nets for training and testing",
                    std::string(f.first) + " is not supported");
        if (file_.weights_size() > 0)
            bad("weights", "name the weights on the command line", "weights is not supported");
        if (file_.snapshot_format() != caffe::SolverParameter::BINARYPROTO)
            bad("snapshot_format", "supported is BINARYPROTO", "snapshot_format HDF5 is not supported");
        if (file_.has_solver_mode() && file_.solver_mode() == caffe::SolverParameter::GPU)
            report_->warning(node_.at("solver_mode"), "", "solver_mode GPU has no effect: training runs on the CPU");
        const std::pair<const char *, bool> idle[] = { { "snapshot_diff", file_.snapshot_diff() },
                                                       { "test_compute_loss", file_.test_compute_loss() },
                                                       { "debug_info", file_.debug_info() } };
        for (const auto &f : idle)
            if (f.second)
                report_->warning(node_.at(f.first), "", std::string(f.first) + " has no effect");
    }

    void net()
    {
        if (file_.has_net() && file_.has_train_net())
            return bad("train_net", "", "both net and train_net are given, expected one of them");
        const char *field = file_.has_train_net() ? "train_net" : "net";
        const std::string path = file_.has_train_net() ? file_.train_net() : file_.net();
        if (path.empty())
            return missing("net");
        if (rs_file_exists(path.c_str())) {
            out_->net_path = copy_text(path);
            return;
        }
        const Block folder(rs_path_folder(out_->path));
        const Block beside(folder != nullptr ? rs_path_join(folder.get(), path.c_str()) : nullptr);
        if (beside == nullptr)
            throw std::bad_alloc();
        if (rs_file_exists(beside.get()))
            out_->net_path = copy_text(beside.get());
        else
            bad(field, "a path is relative to the current folder or to the solver file's",
                "there is no file " + quoted(path));
    }

    void method()
    {
        static const char *const types[] = { "SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam" };
        std::string type = file_.type();
        const char *field = "type";
        if (file_.has_solver_type()) { // the older field, an enumeration in the same order
            if (file_.has_type())
                bad("solver_type", "", "both type and solver_type are given, expected one of them");
            type = types[file_.solver_type()];
            field = "solver_type";
        }
        const std::vector<std::string> names(std::begin(types), std::end(types));
        bool found = false;
        for (const std::string &n : names)
            found = found || n == type;
        if (!found) {
            const std::string hint = did_you_mean(type, names);
            bad(field, hint.empty() ? "expected one of SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam" : hint,
                "unknown solver type " + quoted(type));
        }
        out_->type = copy_text(type);
        out_->momentum = number("momentum", file_.momentum(), 0, 1);
        out_->momentum2 = number("momentum2", file_.momentum2(), 0, 1);
        out_->delta = number("delta", file_.delta(), 0);
        out_->weight_decay = number("weight_decay", file_.weight_decay(), 0);
        out_->clip_gradients = number("clip_gradients", file_.clip_gradients(), -INFINITY);
        const std::string &r = file_.regularization_type();
        if (r != "L1" && r != "L2")
            bad("regularization_type", "", "unknown regularization_type " + quoted(r) + ", expected 'L1' or 'L2'");
        out_->l1_regularization = r == "L1";
    }

    void learning_rate()
    {
        static const std::pair<const char *, rs_lr_policy> policies[] = {
            { "fixed", RS_LR_FIXED },
            { "step", RS_LR_STEP },
            { "exp", RS_LR_EXP },
            { "inv", RS_LR_INV },
            { "poly", RS_LR_POLY },
            { "sigmoid", RS_LR_SIGMOID },
            { "multistep", RS_LR_MULTISTEP },
        };
        if (!file_.has_base_lr())
            missing("base_lr");
        out_->base_lr = number("base_lr", file_.base_lr(), 0);
        out_->gamma = number("gamma", file_.gamma(), -INFINITY);
        out_->power = number("power", file_.power(), -INFINITY);
        out_->step_size = file_.stepsize();
        if (!file_.has_lr_policy())
            return missing("lr_policy");

        bool found = false;
        std::vector<std::string> names;
        for (const auto &p : policies) {
            names.push_back(p.first);
            if (file_.lr_policy() == p.first) {
                out_->policy = p.second;
                found = true;
            }
        }
        if (!found) {
            const std::string hint = did_you_mean(file_.lr_policy(), names);
            return bad("lr_policy",
                       hint.empty() ? "expected one of fixed, step, exp, inv, poly, sigmoid, multistep" : hint,
                       "unknown lr_policy " + quoted(file_.lr_policy()));
        }
        const rs_lr_policy policy = out_->policy;
        const std::string of = " for lr_policy " + quoted(file_.lr_policy());
        if (policy != RS_LR_FIXED && policy != RS_LR_POLY && !file_.has_gamma())
            bad("lr_policy", "", "the solver file has no gamma, needed" + of);
        if ((policy == RS_LR_INV || policy == RS_LR_POLY) && !file_.has_power())
            bad("lr_policy", "", "the solver file has no power, needed" + of);
        if ((policy == RS_LR_STEP || policy == RS_LR_SIGMOID) && !file_.has_stepsize())
            bad("lr_policy", "", "the solver file has no stepsize, needed" + of);
        else if (policy == RS_LR_STEP)
            count("stepsize", file_.stepsize(), 1);
        if (policy == RS_LR_MULTISTEP && file_.stepvalue_size() == 0)
            bad("lr_policy", "", "the solver file has no stepvalue, needed" + of);
        for (int i = 1; i < file_.stepvalue_size(); i++)
            if (file_.stepvalue(i) < file_.stepvalue(i - 1))
                bad("stepvalue", "",
                    "stepvalue " + std::to_string(file_.stepvalue(i)) + " follows " +
                        std::to_string(file_.stepvalue(i - 1)) + ", expected rising values",
                    i);
        out_->step_values = RS_NEW_ARRAY(int64_t, static_cast<std::size_t>(file_.stepvalue_size()));
        if (out_->step_values == nullptr)
            throw std::bad_alloc();
        for (const int v : file_.stepvalue())
            out_->step_values[out_->n_step_values++] = v;
    }

    void counts()
    {
        if (!file_.has_max_iter())
            missing("max_iter");
        out_->max_iter = count("max_iter", file_.max_iter(), 0);
        out_->iter_size = count("iter_size", file_.iter_size(), 1);
        out_->display = count("display", file_.display(), 0);
        out_->average_loss = count("average_loss", file_.average_loss(), 1);
        out_->test_interval = count("test_interval", file_.test_interval(), 0);
        out_->test_initialization = file_.test_initialization();
        if (file_.test_iter_size() > 1)
            bad("test_iter", "",
                std::to_string(file_.test_iter_size()) + " values of test_iter, expected one: there is one test net",
                1);
        else if (file_.test_iter_size() == 1)
            out_->test_iter = count("test_iter", file_.test_iter(0), 0);
        else if (file_.test_interval() > 0)
            bad("test_interval", "", "test_interval without test_iter, the number of batches of a test");
        out_->random_seed = file_.random_seed() < 0 ? -1 : file_.random_seed();
    }

    void snapshots()
    {
        out_->snapshot = count("snapshot", file_.snapshot(), 0);
        out_->snapshot_after_train = file_.snapshot_after_train();
        if (file_.has_snapshot_prefix() && !file_.snapshot_prefix().empty()) {
            out_->snapshot_prefix = copy_text(file_.snapshot_prefix());
            return;
        }
        // As Caffe does without one: the solver file's name less its ending.
        const std::string &path = node_.text().path;
        const std::size_t slash = path.find_last_of('/');
        std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
        const std::size_t dot = name.find_last_of('.');
        if (dot != std::string::npos && dot > 0)
            name.resize(dot);
        out_->snapshot_prefix = copy_text(name);
    }

    const Node node_;
    const caffe::SolverParameter &file_;
    Report *report_;
    std::unique_ptr<rs_solver_param, FreeSolver> out_;
};

} // namespace
} // namespace ristretto

extern "C" rs_status rs_caffe_read_solver(const char *path, rs_solver_param **solver, rs_diag *diag)
{
    *solver = nullptr;
    const rs_status status = ristretto::guarded(diag, [&] {
        ristretto::Text text;
        ristretto::caffe::SolverParameter file;
        ristretto::Report report(diag);
        const rs_status st = ristretto::read_text(path, &file, &text, &report);
        if (st != RS_OK) // a value left out would look like one that is missing
            return report.has_errors() ? report.finish() : st;
        ristretto::SolverReader(text, file, &report).read(solver);
        return report.finish();
    });
    if (status != RS_OK) {
        rs_solver_param_free(*solver);
        *solver = nullptr;
    }
    return status;
}

extern "C" void rs_solver_param_free(rs_solver_param *solver)
{
    if (solver == nullptr)
        return;
    rs_free(solver->path);
    rs_free(solver->net_path);
    rs_free(solver->type);
    rs_free(solver->snapshot_prefix);
    rs_free(solver->step_values);
    rs_free(solver);
}
