// The accelerator as a system sees it: registers on AXI4-Lite, memory on AXI4, an interrupt. Told where a descriptor list
// and the program's memory lie, it runs a whole network on its own. docs/user/integration.md describes the ports and their timing,
// docs/reference/registers.md the registers.
module ristretto_top #(
  parameter int Lanes = 4,
  parameter int Muls = 4,
  parameter int ActBits = 8,
  parameter int WgtBits = 8,
  parameter int AccBits = 32,
  parameter int Overflow = ristretto_pkg::OverflowWrap,
  parameter int FirstLevel = ristretto_pkg::FirstLevelExact,
  parameter int TreeRegisters = ristretto_pkg::TreeRegistersNone,
  parameter int Rounding = ristretto_pkg::RoundNearest,
  parameter int ActDepth = 1024,
  parameter int OutDepth = 1024,
  parameter int WgtDepth = 64,
  parameter int BusBits = 64,
  parameter int Outstanding = 8,
  parameter int ProgDepth = 16,
  parameter int Pe = ristretto_pkg::PeMultiplier,
  parameter bit ZeroCode = 1'b0,
  parameter int ExponentBits = 4,
  parameter int MantissaBits = 3,
  parameter bit Subnormals = 1'b1,
  parameter int Special = ristretto_pkg::SpecialNan,
  parameter bit UnsignedActivations = 1'b0,
  parameter bit AveragePooling = 1'b1,
  parameter bit ChannelShifts = 1'b0,
  parameter int ActBanks = 0,                     // 0: as many as are needed
  parameter int OutBanks = 0,
  parameter int AddrBits = 64,                    // 32 to 64
  parameter int IdBits = 1                        // all transfers have ID 0
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  output logic                 irq_o,

  // Registers, AXI4-Lite.
  input  logic                 s_axil_awvalid_i,
  output logic                 s_axil_awready_o,
  input  logic [11:0]          s_axil_awaddr_i,
  input  logic [2:0]           s_axil_awprot_i,
  input  logic                 s_axil_wvalid_i,
  output logic                 s_axil_wready_o,
  input  logic [31:0]          s_axil_wdata_i,
  input  logic [3:0]           s_axil_wstrb_i,
  output logic                 s_axil_bvalid_o,
  input  logic                 s_axil_bready_i,
  output logic [1:0]           s_axil_bresp_o,
  input  logic                 s_axil_arvalid_i,
  output logic                 s_axil_arready_o,
  input  logic [11:0]          s_axil_araddr_i,
  input  logic [2:0]           s_axil_arprot_i,
  output logic                 s_axil_rvalid_o,
  input  logic                 s_axil_rready_i,
  output logic [31:0]          s_axil_rdata_o,
  output logic [1:0]           s_axil_rresp_o,

  // Memory, AXI4.
  output logic                 m_axi_arvalid_o,
  input  logic                 m_axi_arready_i,
  output logic [IdBits-1:0]    m_axi_arid_o,
  output logic [AddrBits-1:0]  m_axi_araddr_o,
  output logic [7:0]           m_axi_arlen_o,
  output logic [2:0]           m_axi_arsize_o,
  output logic [1:0]           m_axi_arburst_o,
  output logic                 m_axi_arlock_o,
  output logic [3:0]           m_axi_arcache_o,
  output logic [2:0]           m_axi_arprot_o,
  output logic [3:0]           m_axi_arqos_o,
  input  logic                 m_axi_rvalid_i,
  output logic                 m_axi_rready_o,
  input  logic [IdBits-1:0]    m_axi_rid_i,
  input  logic [BusBits-1:0]   m_axi_rdata_i,
  input  logic [1:0]           m_axi_rresp_i,
  input  logic                 m_axi_rlast_i,
  output logic                 m_axi_awvalid_o,
  input  logic                 m_axi_awready_i,
  output logic [IdBits-1:0]    m_axi_awid_o,
  output logic [AddrBits-1:0]  m_axi_awaddr_o,
  output logic [7:0]           m_axi_awlen_o,
  output logic [2:0]           m_axi_awsize_o,
  output logic [1:0]           m_axi_awburst_o,
  output logic                 m_axi_awlock_o,
  output logic [3:0]           m_axi_awcache_o,
  output logic [2:0]           m_axi_awprot_o,
  output logic [3:0]           m_axi_awqos_o,
  output logic                 m_axi_wvalid_o,
  input  logic                 m_axi_wready_i,
  output logic [BusBits-1:0]   m_axi_wdata_o,
  output logic [BusBits/8-1:0] m_axi_wstrb_o,
  output logic                 m_axi_wlast_o,
  input  logic                 m_axi_bvalid_i,
  output logic                 m_axi_bready_o,
  input  logic [IdBits-1:0]    m_axi_bid_i,
  input  logic [1:0]           m_axi_bresp_i
);
  localparam int ProgBits = ristretto_pkg::index_bits(ProgDepth);
  localparam logic [2:0] Size = 3'($clog2(BusBits / 8));
  localparam logic [1:0] Incrementing = 2'b01;
  localparam logic [3:0] NormalBufferable = 4'b0011;

  initial begin
    if (AddrBits < 32 || AddrBits > 64) $fatal(1, "AddrBits must be 32 to 64");
    if (IdBits < 1) $fatal(1, "IdBits must be at least 1");
  end

  // Job. -----------------------------------------------------------------------------------------------------------------
  logic start, busy, finish, running;
  logic [63:0] list, memory;
  logic [15:0] count;
  logic [7:0] error;
  logic fetch_valid, fetch_ready, fetch_open, fetch_data_valid, fetch_data_ready;
  logic [AddrBits-1:0] fetch_addr;
  logic [BusBits-1:0] fetch_data;
  logic prog_we, run_start, run_done;
  logic [ProgBits+5:0] prog_addr;
  logic [31:0] prog_wdata;
  logic [15:0] run_count;
  logic writes_open, read_error, write_error;

  rst_job #(
    .BusBits(BusBits),
    .AddrBits(AddrBits),
    .ProgDepth(ProgDepth)
  ) u_job (
    .clk_i,
    .rst_ni,
    .start_i(start),
    .list_i(list),
    .count_i(count),
    .busy_o(busy),
    .finish_o(finish),
    .error_o(error),
    .fetch_valid_o(fetch_valid),
    .fetch_addr_o(fetch_addr),
    .fetch_ready_i(fetch_ready),
    .fetch_open_o(fetch_open),
    .fetch_data_valid_i(fetch_data_valid),
    .fetch_data_i(fetch_data),
    .fetch_data_ready_o(fetch_data_ready),
    .prog_we_o(prog_we),
    .prog_addr_o(prog_addr),
    .prog_wdata_o(prog_wdata),
    .run_start_o(run_start),
    .run_count_o(run_count),
    .running_o(running),
    .run_done_i(run_done),
    .writes_open_i(writes_open),
    .read_error_i(read_error),
    .write_error_i(write_error)
  );

  // Array. ---------------------------------------------------------------------------------------------------------------
  logic rd_valid, wr_valid, mem_ready, rsp_valid, out_valid;
  logic [31:0] rd_addr, wr_addr, out_sat, out_ovf;
  logic [BusBits-1:0] wr_data, rsp_data;

  /* verilator lint_off PINCONNECTEMPTY */
  ristretto_array #(
    .Lanes(Lanes),
    .Muls(Muls),
    .ActBits(ActBits),
    .WgtBits(WgtBits),
    .AccBits(AccBits),
    .Overflow(Overflow),
    .FirstLevel(FirstLevel),
    .TreeRegisters(TreeRegisters),
    .Rounding(Rounding),
    .ActDepth(ActDepth),
    .OutDepth(OutDepth),
    .WgtDepth(WgtDepth),
    .BusBits(BusBits),
    .Outstanding(Outstanding),
    .ProgDepth(ProgDepth),
    .Pe(Pe),
    .ZeroCode(ZeroCode),
    .ExponentBits(ExponentBits),
    .MantissaBits(MantissaBits),
    .Subnormals(Subnormals),
    .Special(Special),
    .UnsignedActivations(UnsignedActivations),
    .AveragePooling(AveragePooling),
    .ChannelShifts(ChannelShifts),
    .ActBanks(ActBanks),
    .OutBanks(OutBanks)
  ) u_array (
    .clk_i,
    .rst_ni,
    .prog_we_i(prog_we),
    .prog_addr_i(prog_addr),
    .prog_wdata_i(prog_wdata),
    .start_i(run_start),
    .n_desc_i(run_count),
    .busy_o(),
    .done_o(run_done),
    .rd_valid_o(rd_valid),
    .rd_addr_o(rd_addr),
    .wr_valid_o(wr_valid),
    .wr_addr_o(wr_addr),
    .wr_data_o(wr_data),
    .mem_ready_i(mem_ready),
    .rsp_valid_i(rsp_valid),
    .rsp_data_i(rsp_data),
    .obs_out_valid_o(out_valid),
    .obs_out_desc_o(),
    .obs_out_addr_o(),
    .obs_out_lanes_o(),
    .obs_out_data_o(),
    .obs_out_sat_o(out_sat),
    .obs_out_ovf_o(out_ovf),
    .obs_rd_desc_o(),
    .obs_wr_desc_o()
  );
  /* verilator lint_on PINCONNECTEMPTY */

  // Memory. --------------------------------------------------------------------------------------------------------------
  rst_axi_port #(
    .BusBits(BusBits),
    .AddrBits(AddrBits)
  ) u_port (
    .clk_i,
    .rst_ni,
    .base_i(AddrBits'(memory)),
    .rd_valid_i(rd_valid),
    .rd_addr_i(rd_addr),
    .wr_valid_i(wr_valid),
    .wr_addr_i(wr_addr),
    .wr_data_i(wr_data),
    .mem_ready_o(mem_ready),
    .rsp_valid_o(rsp_valid),
    .rsp_data_o(rsp_data),
    .fetch_valid_i(fetch_valid),
    .fetch_addr_i(fetch_addr),
    .fetch_ready_o(fetch_ready),
    .fetch_open_i(fetch_open),
    .fetch_data_valid_o(fetch_data_valid),
    .fetch_data_o(fetch_data),
    .fetch_data_ready_i(fetch_data_ready),
    .writes_open_o(writes_open),
    .read_error_o(read_error),
    .write_error_o(write_error),
    .m_axi_arvalid_o,
    .m_axi_arready_i,
    .m_axi_araddr_o,
    .m_axi_arlen_o,
    .m_axi_rvalid_i,
    .m_axi_rready_o,
    .m_axi_rdata_i,
    .m_axi_rresp_i,
    .m_axi_awvalid_o,
    .m_axi_awready_i,
    .m_axi_awaddr_o,
    .m_axi_awlen_o,
    .m_axi_wvalid_o,
    .m_axi_wready_i,
    .m_axi_wdata_o,
    .m_axi_wlast_o,
    .m_axi_bvalid_i,
    .m_axi_bready_o,
    .m_axi_bresp_i
  );

  assign m_axi_arid_o = '0;
  assign m_axi_arsize_o = Size;
  assign m_axi_arburst_o = Incrementing;
  assign m_axi_arlock_o = 1'b0;
  assign m_axi_arcache_o = NormalBufferable;
  assign m_axi_arprot_o = 3'b000;
  assign m_axi_arqos_o = 4'd0;
  assign m_axi_awid_o = '0;
  assign m_axi_awsize_o = Size;
  assign m_axi_awburst_o = Incrementing;
  assign m_axi_awlock_o = 1'b0;
  assign m_axi_awcache_o = NormalBufferable;
  assign m_axi_awprot_o = 3'b000;
  assign m_axi_awqos_o = 4'd0;
  assign m_axi_wstrb_o = '1;

  // Registers. -----------------------------------------------------------------------------------------------------------
  rst_registers #(
    .Lanes(Lanes),
    .Muls(Muls),
    .Widths((32'(AccBits) << ristretto_regs_pkg::WidthsAccumulatorLsb) | (32'(WgtBits) << ristretto_regs_pkg::WidthsWeightLsb) |
            (32'(ActBits) << ristretto_regs_pkg::WidthsActivationLsb)),
    .Rules((32'(Overflow) << ristretto_regs_pkg::RulesOverflowLsb) | (32'(FirstLevel) << ristretto_regs_pkg::RulesFirstLevelLsb) |
           (32'(TreeRegisters) << ristretto_regs_pkg::RulesTreeRegistersLsb) | (32'(Rounding) << ristretto_regs_pkg::RulesRoundingLsb) |
           (32'(Pe) << ristretto_regs_pkg::RulesPeLsb) | (32'(ZeroCode) << ristretto_regs_pkg::RulesZeroCodeLsb) |
           (32'(UnsignedActivations) << ristretto_regs_pkg::RulesUnsignedActivationsLsb) | (32'(AveragePooling) << ristretto_regs_pkg::RulesAveragePoolingLsb) |
           (32'(ChannelShifts) << ristretto_regs_pkg::RulesChannelShiftsLsb)),
    .ActDepth(ActDepth),
    .OutDepth(OutDepth),
    .WgtDepth(WgtDepth),
    .BusBits(BusBits),
    .Outstanding(Outstanding),
    .ProgDepth(ProgDepth),
    .Minifloat((Pe != ristretto_pkg::PeMinifloat) ? 32'd0 :
               (32'(ExponentBits) << ristretto_regs_pkg::MinifloatExponentLsb) |
               (32'(MantissaBits) << ristretto_regs_pkg::MinifloatMantissaLsb) |
               (32'(Subnormals) << ristretto_regs_pkg::MinifloatSubnormalsLsb) |
               (32'(Special) << ristretto_regs_pkg::MinifloatSpecialLsb))
  ) u_registers (
    .clk_i,
    .rst_ni,
    .s_axil_awvalid_i,
    .s_axil_awready_o,
    .s_axil_awaddr_i,
    .s_axil_wvalid_i,
    .s_axil_wready_o,
    .s_axil_wdata_i,
    .s_axil_wstrb_i,
    .s_axil_bvalid_o,
    .s_axil_bready_i,
    .s_axil_bresp_o,
    .s_axil_arvalid_i,
    .s_axil_arready_o,
    .s_axil_araddr_i,
    .s_axil_rvalid_o,
    .s_axil_rready_i,
    .s_axil_rdata_o,
    .s_axil_rresp_o,
    .irq_o,
    .start_o(start),
    .list_o(list),
    .count_o(count),
    .memory_o(memory),
    .busy_i(busy),
    .finish_i(finish),
    .error_i(error),
    .running_i(running),
    .out_valid_i(out_valid),
    .out_sat_i(out_sat),
    .out_ovf_i(out_ovf)
  );

  logic unused_inputs;
  assign unused_inputs = ^{s_axil_awprot_i, s_axil_arprot_i, m_axi_rid_i, m_axi_rlast_i, m_axi_bid_i, memory};
endmodule
