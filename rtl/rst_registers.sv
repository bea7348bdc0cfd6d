// The registers of ristretto_top (docs/reference/registers.md) behind an AXI4-Lite port.
module rst_registers #(
  parameter logic [31:0] Lanes = 1,
  parameter logic [31:0] Muls = 1,
  parameter logic [31:0] Widths = 0,
  parameter logic [31:0] Rules = 0,
  parameter logic [31:0] ActDepth = 1,
  parameter logic [31:0] OutDepth = 1,
  parameter logic [31:0] WgtDepth = 1,
  parameter logic [31:0] BusBits = 16,
  parameter logic [31:0] Outstanding = 1,
  parameter logic [31:0] ProgDepth = 1,
  parameter logic [31:0] Minifloat = 0
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        s_axil_awvalid_i,
  output logic        s_axil_awready_o,
  input  logic [11:0] s_axil_awaddr_i,
  input  logic        s_axil_wvalid_i,
  output logic        s_axil_wready_o,
  input  logic [31:0] s_axil_wdata_i,
  input  logic [3:0]  s_axil_wstrb_i,
  output logic        s_axil_bvalid_o,
  input  logic        s_axil_bready_i,
  output logic [1:0]  s_axil_bresp_o,
  input  logic        s_axil_arvalid_i,
  output logic        s_axil_arready_o,
  input  logic [11:0] s_axil_araddr_i,
  output logic        s_axil_rvalid_o,
  input  logic        s_axil_rready_i,
  output logic [31:0] s_axil_rdata_o,
  output logic [1:0]  s_axil_rresp_o,

  output logic        irq_o,

  output logic        start_o,
  output logic [63:0] list_o,
  output logic [15:0] count_o,
  output logic [63:0] memory_o,
  input  logic        busy_i,
  input  logic        finish_i,
  input  logic [7:0]  error_i,
  input  logic        running_i,
  input  logic        out_valid_i,
  input  logic [31:0] out_sat_i,
  input  logic [31:0] out_ovf_i
);
  localparam logic [1:0] Okay = 2'b00;
  localparam logic [1:0] SlaveError = 2'b10;
  localparam logic [31:0] IdValue = 32'h5249_5354;
  localparam logic [31:0] VersionValue = 32'd1;

  // Writes: address and data are taken apart, the write is done when both are there. --------------
  logic aw_full_q, w_full_q, write, write_legal, b_full_q;
  logic [9:0] aw_word_q;
  logic [31:0] w_data_q, w_mask;
  logic [3:0] w_strb_q;
  logic [1:0] b_resp_q;

  assign s_axil_awready_o = !aw_full_q;
  assign s_axil_wready_o = !w_full_q;
  assign s_axil_bvalid_o = b_full_q;
  assign s_axil_bresp_o = b_resp_q;
  assign write = aw_full_q && w_full_q && (!b_full_q || s_axil_bready_i);
  assign write_legal = write && ristretto_regs_pkg::is_writable(aw_word_q) &&
                       (!busy_i || aw_word_q == ristretto_regs_pkg::IrqEnable ||
                        aw_word_q == ristretto_regs_pkg::IrqStatus);
  assign w_mask = {{8{w_strb_q[3]}}, {8{w_strb_q[2]}}, {8{w_strb_q[1]}}, {8{w_strb_q[0]}}};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      aw_full_q <= 1'b0;
      w_full_q <= 1'b0;
      b_full_q <= 1'b0;
      aw_word_q <= '0;
      w_data_q <= '0;
      w_strb_q <= '0;
      b_resp_q <= Okay;
    end else begin
      if (write) begin
        aw_full_q <= 1'b0;
        w_full_q <= 1'b0;
        b_full_q <= 1'b1;
        b_resp_q <= write_legal ? Okay : SlaveError;
      end else if (s_axil_bready_i) begin
        b_full_q <= 1'b0;
      end
      if (s_axil_awvalid_i && s_axil_awready_o) begin
        aw_full_q <= 1'b1;
        aw_word_q <= s_axil_awaddr_i[11:2];
      end
      if (s_axil_wvalid_i && s_axil_wready_o) begin
        w_full_q <= 1'b1;
        w_data_q <= s_axil_wdata_i;
        w_strb_q <= s_axil_wstrb_i;
      end
    end
  end

  function automatic logic [31:0] written(input logic [31:0] old, input logic [31:0] data,
                                          input logic [31:0] mask);
    written = (old & ~mask) | (data & mask);
  endfunction

  // State. ----------------------------------------------------------------------------------------
  logic [1:0] irq_enable_q, irq_status_q, irq_set, irq_clear;
  logic [31:0] list_lo_q, list_hi_q, memory_lo_q, memory_hi_q, saturations_q, overflows_q;
  logic [15:0] count_q;
  logic [63:0] cycles_q, run_cycles_q;
  logic done_q;
  logic [7:0] error_q;

  assign start_o = write_legal && aw_word_q == ristretto_regs_pkg::Control && w_strb_q[0] &&
                   w_data_q[ristretto_regs_pkg::ControlStartLsb];
  assign list_o = {list_hi_q, list_lo_q};
  assign memory_o = {memory_hi_q, memory_lo_q};
  assign count_o = count_q;
  assign irq_o = |(irq_enable_q & irq_status_q);

  assign irq_set = {finish_i && error_i != '0, finish_i && error_i == '0};
  assign irq_clear = (write_legal && aw_word_q == ristretto_regs_pkg::IrqStatus) ?
                     w_data_q[1:0] & w_mask[1:0] : 2'b00;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      irq_enable_q <= '0;
      irq_status_q <= '0;
      list_lo_q <= '0;
      list_hi_q <= '0;
      memory_lo_q <= '0;
      memory_hi_q <= '0;
      count_q <= '0;
      cycles_q <= '0;
      run_cycles_q <= '0;
      saturations_q <= '0;
      overflows_q <= '0;
      done_q <= 1'b0;
      error_q <= '0;
    end else begin
      irq_status_q <= (irq_status_q & ~irq_clear) | irq_set;
      if (write_legal) begin
        case (aw_word_q)
          ristretto_regs_pkg::IrqEnable:
            irq_enable_q <= 2'(written(32'(irq_enable_q), w_data_q, w_mask));
          ristretto_regs_pkg::ListLo: list_lo_q <= written(list_lo_q, w_data_q, w_mask);
          ristretto_regs_pkg::ListHi: list_hi_q <= written(list_hi_q, w_data_q, w_mask);
          ristretto_regs_pkg::ListCount: count_q <= 16'(written(32'(count_q), w_data_q, w_mask));
          ristretto_regs_pkg::MemoryLo: memory_lo_q <= written(memory_lo_q, w_data_q, w_mask);
          ristretto_regs_pkg::MemoryHi: memory_hi_q <= written(memory_hi_q, w_data_q, w_mask);
          default: ;
        endcase
      end
      if (start_o) begin
        cycles_q <= '0;
        run_cycles_q <= '0;
        saturations_q <= '0;
        overflows_q <= '0;
        done_q <= 1'b0;
        error_q <= '0;
      end else begin
        cycles_q <= cycles_q + 64'(busy_i);
        run_cycles_q <= run_cycles_q + 64'(running_i);
        if (out_valid_i) begin
          saturations_q <= saturations_q + out_sat_i;
          overflows_q <= overflows_q + out_ovf_i;
        end
        if (finish_i) begin
          done_q <= 1'b1;
          error_q <= error_i;
        end
      end
    end
  end

  // Reads. ----------------------------------------------------------------------------------------
  logic r_full_q;
  logic [31:0] r_data_q, value;
  logic [1:0] r_resp_q;
  logic [9:0] ar_word;

  assign ar_word = s_axil_araddr_i[11:2];
  assign s_axil_arready_o = !r_full_q;
  assign s_axil_rvalid_o = r_full_q;
  assign s_axil_rdata_o = r_data_q;
  assign s_axil_rresp_o = r_resp_q;

  always_comb begin
    case (ar_word)
      ristretto_regs_pkg::Id: value = IdValue;
      ristretto_regs_pkg::Version: value = VersionValue;
      ristretto_regs_pkg::Status: begin
        value = (32'(busy_i) << ristretto_regs_pkg::StatusBusyLsb) |
                (32'(done_q) << ristretto_regs_pkg::StatusDoneLsb) |
                (32'(error_q) << ristretto_regs_pkg::StatusErrorLsb);
      end
      ristretto_regs_pkg::IrqEnable: value = 32'(irq_enable_q);
      ristretto_regs_pkg::IrqStatus: value = 32'(irq_status_q);
      ristretto_regs_pkg::ListLo: value = list_lo_q;
      ristretto_regs_pkg::ListHi: value = list_hi_q;
      ristretto_regs_pkg::ListCount: value = 32'(count_q);
      ristretto_regs_pkg::MemoryLo: value = memory_lo_q;
      ristretto_regs_pkg::MemoryHi: value = memory_hi_q;
      ristretto_regs_pkg::CyclesLo: value = cycles_q[31:0];
      ristretto_regs_pkg::CyclesHi: value = cycles_q[63:32];
      ristretto_regs_pkg::RunCyclesLo: value = run_cycles_q[31:0];
      ristretto_regs_pkg::RunCyclesHi: value = run_cycles_q[63:32];
      ristretto_regs_pkg::Saturations: value = saturations_q;
      ristretto_regs_pkg::Overflows: value = overflows_q;
      ristretto_regs_pkg::Lanes: value = Lanes;
      ristretto_regs_pkg::Muls: value = Muls;
      ristretto_regs_pkg::Widths: value = Widths;
      ristretto_regs_pkg::Rules: value = Rules;
      ristretto_regs_pkg::ActDepth: value = ActDepth;
      ristretto_regs_pkg::OutDepth: value = OutDepth;
      ristretto_regs_pkg::WgtDepth: value = WgtDepth;
      ristretto_regs_pkg::BusBits: value = BusBits;
      ristretto_regs_pkg::Outstanding: value = Outstanding;
      ristretto_regs_pkg::ProgDepth: value = ProgDepth;
      ristretto_regs_pkg::Minifloat: value = Minifloat;
      default: value = '0;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      r_full_q <= 1'b0;
      r_data_q <= '0;
      r_resp_q <= Okay;
    end else if (s_axil_arvalid_i && s_axil_arready_o) begin
      r_full_q <= 1'b1;
      r_data_q <= value;
      r_resp_q <= ristretto_regs_pkg::is_readable(ar_word) ? Okay : SlaveError;
    end else if (s_axil_rready_i) begin
      r_full_q <= 1'b0;
    end
  end

  logic unused_addr;
  assign unused_addr = ^{s_axil_awaddr_i[1:0], s_axil_araddr_i[1:0]};

  `include "checks/rst_registers_check.svh"
endmodule
