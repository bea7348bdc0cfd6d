`define CE_ACC 18
